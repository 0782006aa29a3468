//! The end of the daemon with a client that the probe does not see, and one that dies meanwhile.

use anyhow::Result;
use onair_api::operations::{ListCertificates, ListSessions};
use onair_api::{Reading, Says};
use onair_tests::{Breakpoints, Rig, ended_in_order, signal, wait_for};
use rustix::process::Signal;

/// Sessions that empty together are examined together: a client that hides from the probe in one of
/// them holds up that one alone, and one that dies meanwhile is settled in each of its sessions.
#[test]
fn many_sessions_end_amid_a_blind_client_then_each_for_itself() -> Result<()> {
    let mut rig = Rig::rings_and("[timeouts]\ngraceful_ms = 60000\n")?;
    let mut control = rig.control()?;
    let names: Vec<String> = (0..24).map(|at| format!("cam{at}")).collect();
    for (name, udp) in names.iter().zip(5000..) {
        control.receiver(name, udp)?;
    }
    let mut users = Vec::new();
    for some in names.chunks(8) {
        let mut user = rig.test_client()?;
        for name in some {
            user.say(format_args!("attach {name}"))?;
            user.block(1)?;
        }
        users.push(user);
    }
    let blind = rig.user(&names[3])?;
    Breakpoints::find(blind.pid())?.scribble_beside()?;
    users[1].freeze()?;
    signal(&mut rig, Signal::TERM)?;
    let mut left = |expected: &[&String]| {
        wait_for(format_args!("{expected:?} to be left"), 30, || {
            let list = control.call::<ListSessions>(&())?;
            let left: Vec<_> = list.sessions.iter().map(|it| it.name.as_str()).collect();
            Ok(left == expected)
        })
    };
    // Those of the frozen process, and the one whose client the probe does not see.
    let frozen: Vec<&String> = names[8..16].iter().collect();
    let expected: Vec<&String> = [&names[3]].into_iter().chain(frozen).collect();
    left(&expected)?;
    assert_eq!(users[2].returned(8)?.len(), 8);
    let dead = users.remove(1);
    let pid = dead.pid();
    dead.kill()?;
    left(&[&names[3]])?;
    blind.leave()?;
    ended_in_order(&mut rig)?;
    rig.start_daemon()?;
    let list = rig.control()?.call::<ListCertificates>(&())?.certificates;
    assert_eq!(list.len(), 24);
    for it in &list {
        let of_dead = names[8..16].iter().any(|name| *name == it.name.as_str());
        let certificate = rig.control()?.certificate(it.name.as_str())?;
        assert!(certificate.disagreements.is_empty(), "{certificate:#?}");
        let pids: Vec<u32> = certificate.reconciled.iter().map(|it| it.pid).collect();
        assert_eq!(pids, vec![pid; usize::from(of_dead)], "{certificate:#?}");
        let mut readings = certificate.readings.iter();
        // Living processes may still have the memory.
        let is_zero = |it: &Reading| it.says == Says::Zero || it.name == "mapping";
        assert!(readings.all(is_zero), "{certificate:#?}");
    }
    Ok(())
}
