//! Clients, threads and daemons that end where they should not: what they left is settled once, by
//! name, and nobody else notices.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use onair_api::{
    BlockerKind, Certificate, CertificateList, Memory, Operation, ReconciledCause, ReconciledWhat,
    SessionState, Source, SpecDocument,
};
use onair_tests::{
    Control, Deadline, Footprint, Puppet, Raster, Rig, Stranger, Viewer, blocked, receive, send,
    threads, until,
};

fn user(rig: &Rig, session: &str) -> Result<Puppet> {
    let mut user = rig.puppet()?;
    user.say(format_args!("attach {session}"))?;
    Ok(user)
}

fn alone(control: &mut Control, session: &str) -> Result<()> {
    until(
        format_args!("the attachments of {session} to end"),
        Deadline::seconds(10),
        || {
            let view = control.show(session)?;
            Ok(view.attachments.is_empty().then_some(()))
        },
    )
}

/// The certificate of a session once its memory is given back.
fn completed(control: &mut Control, certificate: &Certificate) -> Result<Certificate> {
    let path = format!("/v1/sessions/{}/certificate", certificate.session);
    until("the memory to be given back", Deadline::seconds(10), || {
        let certificate: Certificate = control.get(&path)?.document()?;
        let back = matches!(certificate.memory, Memory::Returned { .. });
        Ok(back.then_some(certificate))
    })
}

/// Each lend came back in one of three ways, and once.
fn balanced(certificate: &Certificate, put: u64) {
    let counts = certificate.counts;
    assert!(
        counts.frames_lent >= counts.frames_reclaimed + counts.frames_reconciled + put,
        "{counts:?}"
    );
    assert_eq!(
        counts.frames_lent,
        counts.frames_returned + counts.frames_reclaimed + counts.frames_reconciled,
        "{counts:?}"
    );
    let listed: u64 = certificate.reconciled.iter().map(|it| it.frames).sum();
    assert_eq!(listed, counts.frames_reconciled);
}

/// What a client does when it is killed.
#[derive(Clone, Copy, Debug)]
struct Kill {
    frames: u64,
    callers: usize,
    stopped: bool,
}

fn kill(rig: &Rig, control: &mut Control, number: u16, kill: Kill) -> Result<()> {
    let (name, source) = (format!("cam-{number}"), format!("source-{number}"));
    control.create(&receive(&name, Raster::SMALL, 5000 + number))?;
    let mut victim = user(rig, &name)?;
    let mut put = 0;
    if kill.frames > 0 {
        control.create(&send(
            &source,
            Raster::SMALL,
            5000 + number,
            Source::Pattern,
        ))?;
        victim.say(format_args!("hold {}", kill.frames))?;
        control.stop(&source)?;
        control.destroy_wait(&source)?;
        put = victim.say("drain")?["frames"].as_u64().context("frames")?;
    }
    if kill.callers > 0 {
        victim.block(kill.callers)?;
    }
    if kill.stopped {
        // Otherwise the callers would leave at the stop.
        victim.freeze()?;
        control.stop(&name)?;
        let refusal = control.try_destroy(&name)?;
        assert_eq!(refusal.code(), "busy", "{kill:?}: {}", refusal.json);
    }
    let pid = victim.pid();
    victim.kill()?;
    alone(control, &name)?;
    if !kill.stopped {
        assert_eq!(
            control.show(&name)?.state,
            SessionState::Running,
            "{kill:?}"
        );
        control.stop(&name)?;
    }
    let certificate = control.destroy_wait(&name)?;
    let [settled] = &certificate.reconciled[..] else {
        panic!("{kill:?}: once: {:#?}", certificate.reconciled);
    };
    let expected = if kill.frames > 0 {
        ReconciledWhat::HeldFrames
    } else {
        ReconciledWhat::Blocked
    };
    assert_eq!(
        (
            settled.pid,
            settled.tid,
            settled.what,
            settled.cause,
            settled.command.as_str()
        ),
        (
            pid,
            None,
            expected,
            ReconciledCause::ProcessDied,
            "onair-puppet"
        ),
    );
    assert_eq!(
        (settled.frames, settled.slots),
        (kill.frames, kill.callers as u64)
    );
    balanced(&certificate, put);
    completed(control, &certificate)?;
    Ok(())
}

#[test]
fn client__killed_blocked_or_holding_running_or_stopped__then_reconciled_once() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    let mut number = 0;
    for stopped in [false, true] {
        for (frames, callers) in [(0, 3), (3, 0), (3, 2)] {
            number += 1;
            let how = Kill {
                frames,
                callers,
                stopped,
            };
            kill(&rig, &mut control, number, how).with_context(|| format!("{how:?}"))?;
        }
    }
    Ok(())
}

#[test]
fn clients__killed_50_times_beside_an_honest_one__then_it_gets_every_frame_and_nothing_leaks()
-> Result<()> {
    const KILLS: usize = 50;
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        // So much that a busy machine does not make the honest one too slow.
        quota: Some(64),
        ..receive("cam", Raster::SMALL, 5000)
    })?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    let daemon = rig.daemon()?.pid();

    let mut before = None;
    let mut held = 0;
    for round in 0..=KILLS {
        let mut victim = user(&rig, "cam")?;
        let frames = round % 4;
        victim.say(format_args!("hold {frames}"))?;
        if round % 3 > 0 {
            // They take frames and wait for more; the kill meets them anywhere.
            victim.say(format_args!("spin {}", round % 3))?;
        }
        held += frames as u64;
        victim.kill()?;
        until("the victim to be reconciled", Deadline::seconds(10), || {
            Ok((control.show("cam")?.attachments.len() == 1).then_some(()))
        })?;
        if round == 0 {
            before = Some(Footprint::of(daemon)?);
        }
    }
    before.context("the first round's")?.wait_regained(daemon)?;

    control.stop("source")?;
    let sent = control.destroy_wait("source")?.frames;
    viewer.wait(sent.frames_sent, Deadline::seconds(20))?;
    control.stop("cam")?;
    let seen = viewer.seen()?;
    for (number, frame) in seen.iter().enumerate() {
        assert_eq!(frame.number, number as u64);
        assert!(frame.complete && frame.checksum_right, "{frame:?}");
    }
    assert_eq!(seen.len() as u64, sent.frames_sent);

    let certificate = control.destroy_wait("cam")?;
    let counters = &certificate.frames;
    assert_eq!(
        (counters.frames_no_buffer, counters.frames_incomplete),
        (0, 0)
    );
    assert_eq!(certificate.counts.attachments, KILLS as u64 + 2);
    // Threads that were killed between a get and its put held a frame, too.
    assert!(
        certificate.counts.frames_reconciled >= held,
        "{:?}",
        certificate.counts
    );
    assert!(
        certificate
            .reconciled
            .iter()
            .all(|it| it.cause == ReconciledCause::ProcessDied)
    );
    let pids: BTreeSet<u32> = certificate.reconciled.iter().map(|it| it.pid).collect();
    assert_eq!(
        pids.len(),
        certificate.reconciled.len(),
        "each process once"
    );
    balanced(&certificate, seen.len() as u64);
    Ok(())
}

#[test]
fn thread__ended_inside_a_wait__then_settled_by_its_number_and_the_process_goes_on() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    let mut client = user(&rig, "cam")?;
    let asleep = client.block(2)?;
    let answer = client.say("exit-inside 3")?;
    let dead: BTreeSet<u32> = serde_json::from_value(answer["tids"].clone())?;
    assert_eq!(dead.len(), 3);
    let pid = client.pid();
    until("the threads to end", Deadline::seconds(10), || {
        Ok(threads(pid)?.is_disjoint(&dead).then_some(()))
    })?;

    // Those who sleep beside them sleep on, and get what comes.
    until("the others to sleep on", Deadline::seconds(10), || {
        Ok(blocked(pid)?.is_superset(&asleep).then_some(()))
    })?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    client.say("get 10000")?;
    control.stop("source")?;

    control.stop("cam")?;
    for (tid, result) in client.returned(2)? {
        assert!(
            asleep.contains(&tid) && result == "EAGAIN",
            "{tid}: {result}"
        );
    }
    let certificate = control.destroy_wait("cam")?;
    let settled: BTreeSet<u32> = certificate
        .reconciled
        .iter()
        .filter_map(|it| it.tid)
        .collect();
    assert_eq!(settled, dead, "{:#?}", certificate.reconciled);
    assert_eq!(certificate.reconciled.len(), 3);
    for it in &certificate.reconciled {
        assert_eq!(
            (it.pid, it.cause, it.slots, it.frames),
            (pid, ReconciledCause::ThreadExited, 1, 0)
        );
    }
    assert_eq!(client.errno("get 0")?, "ESTALE");
    Ok(())
}

#[test]
fn thread__ended_inside_a_wait_and_the_rest_frozen__then_destroy_waits_for_the_rest_alone()
-> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    let mut client = user(&rig, "cam")?;
    let asleep = client.block(1)?;
    let answer = client.say("exit-inside 1")?;
    let dead: BTreeSet<u32> = serde_json::from_value(answer["tids"].clone())?;
    let pid = client.pid();
    until("the thread to end", Deadline::seconds(10), || {
        Ok(threads(pid)?.is_disjoint(&dead).then_some(()))
    })?;
    client.freeze()?;
    control.stop("cam")?;
    let mut other = rig.control()?;
    let destroy = std::thread::spawn(move || other.destroy_wait("cam"));
    until(
        "the dead thread to be settled",
        Deadline::seconds(10),
        || {
            let blockers = control.blockers("cam")?.blockers;
            let left: BTreeSet<u32> = blockers.iter().filter_map(|it| it.tid).collect();
            Ok((left == asleep && blockers.len() == 1).then_some(()))
        },
    )?;
    until("the destroy to wait", Deadline::seconds(10), || {
        Ok((control.show("cam")?.state == SessionState::Draining).then_some(()))
    })?;
    client.thaw()?;
    let certificate = destroy.join().map_err(|_| anyhow::anyhow!("panic"))??;
    let settled: BTreeSet<u32> = certificate
        .reconciled
        .iter()
        .filter_map(|it| it.tid)
        .collect();
    assert_eq!(settled, dead, "{:#?}", certificate.reconciled);
    Ok(())
}

#[test]
fn thread__ended_with_a_frame__then_named_until_its_process_ends() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    let mut client = user(&rig, "cam")?;
    client.say("exit-holding")?;
    control.stop("cam")?;
    let refusal = control.try_destroy("cam")?;
    assert_eq!(refusal.code(), "busy");
    let blockers = control.blockers("cam")?.blockers;
    let [blocker] = &blockers[..] else {
        panic!("one thread holds one frame: {blockers:#?}");
    };
    assert_eq!(
        (blocker.pid, blocker.kind),
        (client.pid(), BlockerKind::Exited)
    );
    assert_eq!(blocker.held_frames.len(), 1);
    client.leave()?;
    let certificate = control.destroy_wait("cam")?;
    assert_eq!(certificate.counts.frames_reconciled, 1);
    balanced(&certificate, 0);
    Ok(())
}

#[test]
fn client__becomes_another_program__then_its_attachment_ends_and_the_process_lives() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    let mut client = user(&rig, "cam")?;
    client.say("hold 2")?;
    control.stop("source")?;
    client.say("drain")?;
    client.block(2)?;
    let pid = client.pid();
    client.tell("exec cat")?;
    alone(&mut control, "cam")?;
    ensure!(client.running().ended()?.is_none(), "the new program runs");
    assert_eq!(control.show("cam")?.state, SessionState::Running);

    control.stop("cam")?;
    let certificate = control.destroy_wait("cam")?;
    let [it] = &certificate.reconciled[..] else {
        panic!("once: {:#?}", certificate.reconciled);
    };
    assert_eq!(
        (it.pid, it.cause, it.frames, it.slots),
        (pid, ReconciledCause::Detached, 2, 2)
    );
    balanced(&certificate, 0);
    completed(&mut control, &certificate)?;
    ensure!(client.leave()?.success(), "cat ends when its input does");
    Ok(())
}

#[test]
fn client__killed_with_its_socket_and_memory_passed_on__then_settled_and_the_memory_kept()
-> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    let mut client = user(&rig, "cam")?;
    client.block(2)?;
    let pid = client.pid();
    let Stranger { sockets, memory } = Stranger::of(pid)?;
    assert_eq!((sockets.len(), memory.len()), (1, 3));
    client.kill()?;
    // No hang-up comes while somebody has the socket: the kernel's word on the process counts.
    alone(&mut control, "cam")?;
    control.stop("cam")?;
    let certificate = control.destroy_wait("cam")?;
    assert_eq!(certificate.reconciled.len(), 1);
    let path = format!("/v1/sessions/{}/certificate", certificate.session);
    let pending: Certificate = control.get(&path)?.document()?;
    assert!(
        matches!(pending.memory, Memory::Pending { .. }),
        "{:?}",
        pending.memory
    );
    drop(memory);
    completed(&mut control, &certificate)?;
    drop(sockets);
    Ok(())
}

#[test]
fn daemon__terminated_with_callers_inside__then_all_return_and_each_session_has_a_certificate()
-> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    let mut clients = Vec::new();
    for number in 0..2 {
        let name = format!("cam-{number}");
        control.create(&receive(&name, Raster::SMALL, 5000 + number))?;
        for _ in 0..2 {
            let mut client = user(&rig, &name)?;
            client.block(4)?;
            clients.push(client);
        }
    }
    rig.stop_daemon()?;
    for client in &mut clients {
        for (_, result) in client.returned(4)? {
            assert!(matches!(result.as_str(), "EAGAIN" | "ESTALE"), "{result}");
        }
        assert_eq!(client.errno("get 0")?, "ESTALE");
        assert_eq!(client.errno("wait-started never")?, "ESTALE");
    }

    rig.start_daemon()?;
    let mut control = rig.control()?;
    let list: CertificateList = control.get("/v1/certificates")?.document()?;
    let names: BTreeSet<&str> = list
        .certificates
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, BTreeSet::from(["cam-0", "cam-1"]));
    for it in &list.certificates {
        assert_eq!((it.operation, it.reconciled), (Operation::Shutdown, 0));
        let path = format!("/v1/sessions/{}/certificate", it.session);
        let certificate: Certificate = control.get(&path)?.document()?;
        assert_eq!(certificate.counts.blocked_at_stop, 8);
        assert_eq!(certificate.requester.command, "onaird");
    }
    Ok(())
}

#[test]
fn daemon__killed_with_callers_inside__then_all_are_told_and_the_next_one_serves_them() -> Result<()>
{
    let mut rig = Rig::rings()?;
    let mut clients = Vec::new();
    {
        let mut control = rig.control()?;
        control.create(&receive("cam", Raster::SMALL, 5000))?;
        for _ in 0..3 {
            let mut client = user(&rig, "cam")?;
            client.block(4)?;
            clients.push(client);
        }
        let mut waiter = user(&rig, "cam")?;
        waiter.say("stop")?;
        waiter.tell("wait-started never")?;
        until("wait_started to sleep", Deadline::seconds(10), || {
            Ok((!blocked(waiter.pid())?.is_empty()).then_some(()))
        })?;
        clients.push(waiter);
    }
    rig.kill_daemon()?;
    let mut waiter = clients.pop().context("the last one")?;
    assert_eq!(waiter.answer("wait-started")?["error"]["errno"], "ESTALE");
    for client in &mut clients {
        for (_, result) in client.returned(4)? {
            assert_eq!(result, "ESTALE");
        }
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
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    for client in &mut clients {
        client.say("attach cam")?;
        client.say("get 10000")?;
    }
    control.stop("cam")?;
    let certificate = control.destroy_wait("cam")?;
    assert!(certificate.reconciled.is_empty());
    Ok(())
}
