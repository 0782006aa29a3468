//! Processes that end in whatever way, at whatever moment: what they left is settled once, by name,
//! and the client beside them loses nothing.

use std::os::unix::process::ExitStatusExt as _;

use anyhow::{Context as _, Result, ensure};
use onair_api::{BlockerKind, Certificate, ReconciledCause, SessionState};
use onair_tests::{ClientFiles, Control, Deadline, Rig, TestClient, WatchedSession, wait_for};

/// Enough for a test_client, and soon used up.
const LIMIT: u64 = 64 << 20;
/// What a process has that takes its time to end, in MB.
const HUGE: usize = 768;

/// A way to die, and the signal that the process dies of, if one.
type Way = (
    &'static str,
    Option<i32>,
    fn(&Rig, &mut Control, TestClient) -> Result<Option<i32>>,
);

const WAYS: [Way; 8] = [
    ("SIGKILL", Some(9), |_, _, mut victim| {
        Ok(victim.running().kill()?.signal())
    }),
    ("a store to address 0", Some(11), |_, _, victim| {
        ended(victim, "segv")
    }),
    ("abort()", Some(6), |_, _, victim| {
        ended(victim, "abort-process")
    }),
    ("exit() with threads inside", None, |_, _, victim| {
        Ok(victim.leave()?.signal())
    }),
    ("out of memory", Some(9), |rig, _, victim| {
        let limit = rig.stage().memory_limit(LIMIT)?;
        limit.hold(victim.pid())?;
        let signal = ended(victim, "eat 100000")?;
        ensure!(limit.kills()? >= 1, "it was not the memory that killed it");
        Ok(signal)
    }),
    ("SIGKILL with a huge memory", Some(9), |_, _, mut victim| {
        victim.say(format_args!("eat {HUGE}"))?;
        Ok(victim.running().kill()?.signal())
    }),
    (
        "SIGKILL while it is stopped",
        Some(9),
        |_, control, mut victim| {
            victim.freeze()?;
            let pid = victim.pid();
            for (session, kind, count) in [
                ("cam", BlockerKind::Holding, 1),
                ("idle", BlockerKind::Blocked, 3),
            ] {
                let blockers = control.blockers(session)?.blockers;
                let named = blockers
                    .iter()
                    .filter(|it| it.pid == pid && it.kind == kind)
                    .count();
                ensure!(named == count, "{session}: {blockers:#?}");
            }
            Ok(victim.running().kill()?.signal())
        },
    ),
    (
        "SIGKILL while it starts programs",
        Some(9),
        |_, _, mut victim| {
            victim.say("run 20 true")?;
            // A child that has begun shares its memory until its own program begins.
            victim.send("run 100000 true")?;
            Ok(victim.running().kill()?.signal())
        },
    ),
];

fn ended(mut victim: TestClient, way: &str) -> Result<Option<i32>> {
    victim.send(way)?;
    Ok(victim.running().wait(Deadline::seconds(30))?.signal())
}

/// What was settled for process `pid`: cause, frames and slots. Once.
fn settled(certificate: &Certificate, pid: u32) -> Result<(ReconciledCause, u64, u64)> {
    let mut of_pid = certificate.reconciled.iter().filter(|it| it.pid == pid);
    let (Some(it), None) = (of_pid.next(), of_pid.next()) else {
        anyhow::bail!("not once: {pid} in {:#?}", certificate.reconciled);
    };
    Ok((it.cause, it.frames, it.slots))
}

#[test]
fn client_dies_in_any_way_then_settled_once_and_others_go_on() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut watched = WatchedSession::start(&mut rig)?;
    watched.control.receiver("idle", 5001)?;
    let mut dead = Vec::new();
    for (name, signal, die) in WAYS {
        let mut victim = rig.user("cam")?;
        victim.say("hold 2")?;
        victim.say("attach idle")?;
        victim.block(3)?;
        let pid = victim.pid();
        let died_of = die(&rig, &mut watched.control, victim).context(name)?;
        ensure!(died_of == signal, "{name}: it died of {died_of:?}");
        watched.alone().context(name)?;
        watched.control.deserted("idle").context(name)?;
        ensure!(watched.control.show("cam")?.state == SessionState::Running);
        dead.push((name, pid));
    }
    let idle = watched.control.end("idle")?;
    let cam = watched.end()?;
    for (name, pid) in dead {
        let died = ReconciledCause::ProcessDied;
        assert_eq!(settled(&cam, pid)?, (died, 2, 0), "{name}");
        assert_eq!(settled(&idle, pid)?, (died, 0, 3), "{name}");
    }
    // Only the well-behaved client put one.
    assert_eq!(cam.counts.frames_returned, cam.frames.frames_complete);
    assert_eq!(cam.counts.frames_reconciled, 2 * WAYS.len() as u64);
    Ok(())
}

/// The number of a process that died is given to another one, which is a client, too, before the daemon
/// has heard of either.
#[test]
fn process_gets_the_number_of_a_dead_one_then_has_own_frames() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut watched = WatchedSession::start(&mut rig)?;
    let mut first = rig.user("cam")?;
    first.say("hold 2")?;
    let pid = first.pid();
    // Another process has its socket, so that only the kernel's word tells of its end.
    let ClientFiles { sockets, .. } = ClientFiles::of(pid)?;
    rig.daemon()?
        .running()
        .signal(rustix::process::Signal::STOP)?;
    first.kill()?;
    let mut second = successor(&rig, pid)?;
    second.send("attach cam")?;
    rig.daemon()?
        .running()
        .signal(rustix::process::Signal::CONT)?;
    let attached = second.answer("attach")?;
    ensure!(attached["error"].is_null(), "{attached}");
    assert_eq!(
        second.say("hold 3")?["numbers"]
            .as_array()
            .context("numbers")?
            .len(),
        3
    );
    // More frames come into its queue all the while; it holds these three.
    wait_for("the first one to be settled", 30, || {
        let view = watched.control.show("cam")?;
        let own = view.attachments.iter().filter(|it| it.pid == pid);
        Ok(own.map(|it| it.held).collect::<Vec<_>>() == [3])
    })?;
    second.say("put-all")?;
    ensure!(second.leave()?.success());
    drop(sockets);
    let certificate = watched.end()?;
    assert_eq!(
        settled(&certificate, pid)?,
        (ReconciledCause::ProcessDied, 2, 0)
    );
    Ok(())
}

/// A new client process with the number `pid`, which no process has.
fn successor(rig: &Rig, pid: u32) -> Result<TestClient> {
    for _ in 0..1000 {
        // Others start processes, too: one of them may be quicker.
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())?;
        let test_client = rig.test_client()?;
        if test_client.pid() == pid {
            return Ok(test_client);
        }
    }
    anyhow::bail!("no process got the number {pid}")
}
