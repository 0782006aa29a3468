//! Clients that become other programs, multiply, or hand on what they have: their attachment ends when
//! their own process does, and its memory is given back when no process has it.

use anyhow::{Context as _, Result, ensure};
use onair_api::{Certificate, Memory, ReconciledCause};
use onair_tests::{ClientFiles, Rig, WatchedSession, blocked, wait_for};
use rustix::process::{Pid, Signal, kill_process};

/// A process that lives on left so many frames and slots, each settled once: those of threads that the
/// new program ended may have been settled one by one.
fn settled_but_alive(certificate: &Certificate, pid: u32, frames: u64, slots: u64) -> Result<()> {
    let mut left = (0, 0);
    for it in &certificate.reconciled {
        let cause = match it.tid {
            Some(_) => ReconciledCause::ThreadExited,
            None => ReconciledCause::Detached,
        };
        ensure!(it.pid == pid && it.cause == cause, "{it:?}");
        left = (left.0 + it.frames, left.1 + it.slots);
    }
    ensure!(left == (frames, slots), "{:#?}", certificate.reconciled);
    Ok(())
}

#[test]
fn thread_execs_inside_a_call_then_only_its_attachment_ends() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let mut client = rig.user("cam")?;
    client.block(2)?;
    client.send("exec-inside cat")?;
    control.deserted("cam")?;
    ensure!(client.running().ended()?.is_none(), "the new program runs");
    control.stop("cam")?;
    // The probe has to see no caller any more.
    let certificate = control.destroy_wait("cam")?;
    settled_but_alive(&certificate, client.pid(), 0, 3)?;
    control.completed(certificate.session)?;
    ensure!(client.leave()?.success(), "cat ends when its input does");
    Ok(())
}

#[test]
fn client_forks_then_the_child_gets_estale_and_keeps_nothing() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut watched = WatchedSession::start(&mut rig)?;
    watched.control.receiver("idle", 5001)?;
    let mut client = rig.user("idle")?;
    client.block(2)?;
    client.say("attach cam")?;
    client.say("hold 2")?;
    client.say("fork")?;
    let child = client.event("forked")?;
    for call in ["get", "poll", "wait-started", "put"] {
        assert_eq!(child[call], "ESTALE", "{call}");
    }
    // The parent goes on, and its frames are its own.
    client.say("get 10000")?;
    client.say("put")?;
    client.kill()?;
    // The child has the sockets and none of the memory.
    watched.alone()?;
    watched.control.deserted("idle")?;
    let idle = watched.control.end("idle")?;
    let idle = watched.control.completed(idle.session)?;
    assert_eq!(idle.reconciled.iter().map(|it| it.slots).sum::<u64>(), 2);
    let cam = watched.end()?;
    assert_eq!(cam.counts.frames_reconciled, 1);
    assert_eq!(cam.reconciled.len(), 1);
    let child = child["pid"]
        .as_i64()
        .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    kill_process(child.context("the child's pid")?, Signal::KILL)?;
    Ok(())
}

#[test]
fn client_killed_with_its_memory_passed_on_then_memory_is_kept() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let mut client = rig.user("cam")?;
    client.block(2)?;
    let pid = client.pid();
    let ClientFiles { sockets, memory } = ClientFiles::of(pid)?;
    assert_eq!((sockets.len(), memory.len()), (1, 3));
    client.kill()?;
    // No hang-up comes while another process has the socket: the kernel's word on the process counts.
    control.deserted("cam")?;
    let certificate = control.end("cam")?;
    assert_eq!(certificate.reconciled.len(), 1);
    let pending = control.certificate(certificate.session)?;
    assert!(
        matches!(pending.memory, Memory::Pending { .. }),
        "{:?}",
        pending.memory
    );
    drop(memory);
    control.completed(certificate.session)?;
    drop(sockets);
    Ok(())
}

#[test]
fn daemon_killed_with_callers_inside_then_the_next_serves_them() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut clients = Vec::new();
    {
        let mut control = rig.control()?;
        control.receiver("cam", 5000)?;
        for _ in 0..3 {
            let mut client = rig.user("cam")?;
            client.block(4)?;
            clients.push(client);
        }
        control.receiver("spare", 5001)?;
        control.stop("spare")?;
        let mut waiter = rig.user("spare")?;
        waiter.send("wait-started never")?;
        wait_for("wait_started to sleep", 10, || {
            Ok(!blocked(waiter.pid())?.is_empty())
        })?;
        clients.push(waiter);
    }
    rig.kill_daemon()?;
    let mut waiter = clients.pop().context("the last one")?;
    assert_eq!(waiter.answer("wait-started")?["error"]["errno"], "ESTALE");
    for client in &mut clients {
        client.all_returned(4, "ESTALE")?;
    }
    clients.push(waiter);
    for client in &mut clients {
        for call in ["get never", "poll never", "detach"] {
            assert_eq!(client.errno(call)?, "ESTALE", "{call}");
        }
    }

    // On the same sockets, which the dead one left behind.
    rig.start_daemon()?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    control.pattern("source", 5000)?;
    for client in &mut clients {
        client.say("attach cam")?;
        client.say("get 10000")?;
    }
    let certificate = control.end("cam")?;
    assert!(certificate.reconciled.is_empty());
    Ok(())
}
