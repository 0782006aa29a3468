//! Clients that are cut off, one by one or all at once, while others go on; sessions that are aborted.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use onair_api::{
    AttachmentState, Certificate, EvictionCause, Memory, Operation, Says, SessionState, Source,
    SpecDocument, Witness,
};
use onair_ipc::layout::SEG_FRAMES;
use onair_tests::{
    Control, Deadline, Raster, Rig, TestClient, Viewer, balanced, receive, send, wait_for,
};

/// A client of `session`, and its attachment.
fn user(rig: &Rig, session: &str) -> Result<(TestClient, u64)> {
    let mut user = rig.test_client()?;
    let attached = user.say(format_args!("attach {session}"))?;
    Ok((user, attached["attachment"].as_u64().context("attachment")?))
}

/// A session `cam` that waits for frames.
fn cam(control: &mut Control, quota: u32, clients: u32) -> Result<()> {
    control.create(&SpecDocument {
        quota: Some(quota),
        max_attachments: Some(clients),
        ..receive("cam", Raster::SMALL, 5000)
    })?;
    Ok(())
}

/// Frames for it, until it is stopped.
fn source(control: &mut Control) -> Result<()> {
    control.pattern("source", 5000)?;
    Ok(())
}

/// Where each attachment of `cam` stands.
fn states(control: &mut Control) -> Result<Vec<AttachmentState>> {
    let view = control.show("cam")?;
    Ok(view.attachments.iter().map(|it| it.state).collect())
}

/// What each call of a client returns that was cut off.
fn is_stale_everywhere(client: &mut TestClient) -> Result<()> {
    for call in [
        "get 0",
        "get never",
        "poll 0",
        "poll never",
        "wait-started never",
    ] {
        assert_eq!(client.errno(call)?, "ESTALE", "{call}");
    }
    Ok(())
}

fn revoked_and_balanced(certificate: &Certificate) -> Result<()> {
    let revoked: u64 = certificate.evicted.iter().map(|it| it.frames_revoked).sum();
    assert_eq!(revoked, certificate.counts.frames_revoked);
    balanced(certificate, 0)
}

/// The certificate of `cam`, which only the viewer still uses, who has seen every frame.
fn end(control: &mut Control, viewer: &mut Viewer) -> Result<Certificate> {
    let sent = control.end("source")?.frames.frames_sent;
    viewer.wait(sent, Deadline::seconds(30))?;
    control.stop("cam")?;
    let seen = viewer.seen()?;
    for (number, frame) in seen.iter().enumerate() {
        assert_eq!(frame.number, number as u64);
        assert!(frame.complete && frame.checksum_right, "{frame:?}");
    }
    assert_eq!(seen.len() as u64, sent);
    let certificate = control.destroy_wait("cam")?;
    revoked_and_balanced(&certificate)?;
    Ok(certificate)
}

#[test]
fn client_frozen_with_frames_then_evicted_and_others_lose_none() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control, 64, 3)?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    source(&mut control)?;
    let (mut victim, number) = user(&rig, "cam")?;
    victim.say("hold 2")?;
    let before = victim.say("look")?["frames"].clone();
    victim.say("block 2")?;
    victim.freeze()?;

    let evicted = control.evict("cam", number)?;
    assert_eq!(
        (evicted.attachment, evicted.pid, evicted.cause),
        (number, victim.pid(), EvictionCause::Requested)
    );
    assert!(evicted.callers_inside <= 2, "{evicted:?}");
    assert!((2..=4).contains(&evicted.frames_set_aside), "{evicted:?}");
    assert!(evicted.frames_revoked >= evicted.frames_set_aside);
    assert_eq!(control.evict("cam", number)?, evicted, "done already");
    assert_eq!(control.try_evict("cam", 4711)?.code(), "no_such_attachment");
    let states = states(&mut control)?;
    assert_eq!(
        states,
        [AttachmentState::Attached, AttachmentState::Revoked]
    );

    // Its frames keep its place; there is one more.
    let (mut newcomer, _) = user(&rig, "cam")?;
    newcomer.say("get 10000")?;
    let mut other = rig.test_client()?;
    assert_eq!(other.errno("attach cam")?, "EDQUOT");
    // More than all of the session's frames: each but those that are set aside is used again.
    let taken = viewer.taken()?;
    viewer.wait(taken + 220, Deadline::seconds(30))?;

    victim.thaw()?;
    victim.all_returned(2, "ESTALE")?;
    is_stale_everywhere(&mut victim)?;
    assert_eq!(
        victim.say("look")?["frames"],
        before,
        "no process wrote there"
    );
    assert_eq!(victim.errno("put")?, "ESTALE");
    assert_eq!(victim.errno("put-again")?, "ESTALE");
    assert_eq!(victim.errno("detach")?, "ESTALE");
    // It has released them: its place is free, also for itself.
    control.await_view("cam", "left by the others", |it| it.attachments.len() == 2)?;
    victim.say("attach cam")?;
    victim.say("get 10000")?;
    assert_eq!(other.errno("attach cam")?, "EDQUOT");
    victim.leave()?;
    newcomer.leave()?;

    let certificate = end(&mut control, &mut viewer)?;
    assert_eq!(certificate.evicted, [evicted]);
    assert_eq!(certificate.counts.evictions, 1);
    drop(viewer);
    control.completed(certificate.session)?;
    Ok(())
}

#[test]
fn client_evicted_frozen_and_killed_then_its_frames_are_reused() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control, 4, 1)?;
    source(&mut control)?;
    let mut evicted = BTreeSet::new();
    for _ in 0..5 {
        let (mut victim, number) = user(&rig, "cam")?;
        // A guard that is forgotten is held for ever.
        victim.say("forget 4")?;
        victim.freeze()?;
        let eviction = control.evict("cam", number)?;
        assert_eq!(eviction.frames_set_aside, 4);
        evicted.insert(victim.pid());
        let mut other = rig.test_client()?;
        assert_eq!(other.errno("attach cam")?, "EDQUOT");
        victim.kill()?;
        wait_for("the place to be free", 30, || {
            Ok(states(&mut control)?.is_empty())
        })?;
    }
    control.stop("cam")?;
    let certificate = control.destroy("cam")?;
    let named: BTreeSet<u32> = certificate.evicted.iter().map(|it| it.pid).collect();
    assert_eq!(named, evicted);
    assert_eq!(certificate.frames.frames_no_buffer, 0);
    revoked_and_balanced(&certificate)?;
    control.completed(certificate.session)?;
    Ok(())
}

#[test]
fn session_destroyed_over_an_evicted_client_then_certified_so() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let (mut victim, number) = user(&rig, "cam")?;
    victim.block(3)?;
    victim.freeze()?;
    control.stop("cam")?;
    assert_eq!(control.try_destroy("cam")?.code(), "busy");
    let evicted = control.evict_all("cam")?;
    assert_eq!(evicted.len(), 1);
    assert_eq!(
        (evicted[0].attachment, evicted[0].callers_inside),
        (number, 3)
    );
    assert!(control.blockers("cam")?.blockers.is_empty());
    let certificate = control.destroy("cam")?;
    let reading = |witness: Witness, name: &str| {
        let mut all = certificate.readings.iter();
        let found = all.find(|it| it.witness == witness && it.name == name);
        found.with_context(|| format!("{witness} {name}"))
    };
    for (witness, name) in [(Witness::W1, "slots"), (Witness::W2, "probe")] {
        let reading = reading(witness, name)?;
        assert_eq!(
            (reading.says, reading.users),
            (Says::Zero, 0),
            "{reading:?}"
        );
        assert_eq!(reading.left_out, 3, "{reading:?}");
        assert!(reading.detail.contains("evicted"), "{reading:?}");
    }
    assert_eq!(reading(Witness::W4, "mapping")?.says, Says::Users);
    let Memory::Pending { held_by, .. } = &certificate.memory else {
        panic!("it is mapped: {:?}", certificate.memory);
    };
    assert_eq!(held_by, &[victim.pid()]);
    victim.thaw()?;
    victim.all_returned(3, "ESTALE")?;
    is_stale_everywhere(&mut victim)?;
    victim.kill()?;
    let certificate = control.completed(certificate.session)?;
    assert_eq!(certificate.evicted, evicted);
    Ok(())
}

#[test]
fn sender_evicted_amid_its_frames_then_the_next_fills_the_flow() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    control.ample("cam", Raster::SMALL, 5000)?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    control.create(&send("studio", Raster::SMALL, 5000, Source::Client))?;
    let (mut first, number) = user(&rig, "studio")?;
    first.say("submit 10")?;
    first.say("hold 1")?;
    let mut second = rig.test_client()?;
    assert_eq!(second.errno("attach studio")?, "EDQUOT");
    first.freeze()?;
    let evicted = control.evict("studio", number)?;
    assert_eq!(evicted.frames_set_aside, 0, "they are its own: {evicted:?}");
    assert!(evicted.frames_revoked >= 1, "{evicted:?}");
    second.say("attach studio")?;
    let taken = viewer.taken()?;
    second.say("submit 20")?;
    viewer.wait(taken + 20, Deadline::seconds(30))?;
    first.thaw()?;
    assert_eq!(first.errno("submit 1")?, "ESTALE");
    assert_eq!(first.errno("put")?, "ESTALE");
    second.leave()?;
    let certificate = control.end("studio")?;
    assert_eq!(certificate.evicted, [evicted]);
    revoked_and_balanced(&certificate)?;
    wait_for("all that was sent to arrive", 30, || {
        let arrived = control.show("cam")?.counters.frames_complete;
        Ok(arrived == certificate.frames.frames_sent)
    })?;
    let seen = viewer.finish(&mut control, Deadline::seconds(30))?;
    let whole = seen.iter().filter(|it| it.complete);
    assert!(whole.clone().all(|it| it.checksum_right));
    let last: Vec<u64> = seen[seen.len() - 20..]
        .iter()
        .map(|it| it.head[0])
        .collect();
    assert_eq!(last, (0..20).collect::<Vec<u64>>(), "the second one's");
    first.leave()?;
    control.completed(certificate.session)?;
    Ok(())
}

#[test]
fn words_scribbled_by_a_client_then_evicted_and_others_unharmed() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control, 64, 4)?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    source(&mut control)?;
    let (mut hostile, number) = user(&rig, "cam")?;
    hostile.say("hold 1")?;
    // Every word of a frame: FREE under serial 0 is none that a client writes.
    let frames = 2 + 64 * 4;
    hostile.say(format_args!(
        "scribble {SEG_FRAMES} {}",
        "00".repeat(8 * frames)
    ))?;
    wait_for("it to be evicted", 30, || {
        let revoked = states(&mut control)?.contains(&AttachmentState::Revoked);
        Ok(revoked)
    })?;
    is_stale_everywhere(&mut hostile)?;
    assert_eq!(control.show("cam")?.state, SessionState::Running);
    let taken = viewer.taken()?;
    viewer.wait(taken + 20, Deadline::seconds(30))?;
    hostile.leave()?;
    let certificate = end(&mut control, &mut viewer)?;
    let [evicted] = &certificate.evicted[..] else {
        panic!("once: {:#?}", certificate.evicted);
    };
    assert_eq!(
        (evicted.attachment, evicted.cause),
        (number, EvictionCause::Violation)
    );
    Ok(())
}

#[test]
fn clients_scribble_everywhere_then_evicted_and_others_unharmed() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control, 64, 3)?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    source(&mut control)?;
    for round in 0..6 {
        let (mut hostile, number) = user(&rig, "cam")?;
        if round % 2 == 0 {
            hostile.say("hold 3")?;
            hostile.block(2)?;
        }
        hostile.send("riot")?;
        if round % 3 == 0 {
            let taken = viewer.taken()?;
            viewer.wait(taken + 5, Deadline::seconds(30))?;
        }
        let evicted = control.evict("cam", number)?;
        assert_eq!(evicted.pid, hostile.pid());
        hostile.kill()?;
    }
    wait_for("all to be gone", 30, || {
        Ok(states(&mut control)? == [AttachmentState::Attached])
    })?;
    let certificate = end(&mut control, &mut viewer)?;
    assert_eq!(certificate.counts.evictions, 6);
    drop(viewer);
    control.completed(certificate.session)?;
    Ok(())
}

#[test]
fn session_aborted_with_callers_then_destroyed_and_memory_kept() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control, 4, 4)?;
    source(&mut control)?;
    let (mut holder, _) = user(&rig, "cam")?;
    holder.say("hold 4")?;
    let before = holder.say("look")?["frames"].clone();
    control.end("source")?;
    let (mut blocked, _) = user(&rig, "cam")?;
    blocked.say("drain")?;
    blocked.block(8)?;
    let frozen = rig.frozen("cam", 2)?;

    let certificate = control.abort("cam")?;
    assert_eq!(certificate.operation, Operation::Abort);
    let pids: Vec<u32> = certificate.evicted.iter().map(|it| it.pid).collect();
    assert_eq!(pids, [holder.pid(), blocked.pid(), frozen.pid()]);
    assert_eq!(certificate.counts.frames_revoked, 4);
    revoked_and_balanced(&certificate)?;
    assert_eq!(control.try_show("cam")?.code(), "stale_session");
    blocked.all_returned(8, "ESTALE")?;
    is_stale_everywhere(&mut holder)?;
    assert_eq!(holder.say("look")?["frames"], before);
    assert_eq!(holder.errno("put")?, "ESTALE");
    // The name is free while a process has the memory.
    control.receiver("cam", 5000)?;
    let kept = control.certificate(certificate.session)?;
    assert!(matches!(kept.memory, Memory::Pending { .. }), "{kept:?}");
    holder.leave()?;
    blocked.leave()?;
    frozen.kill()?;
    control.completed(certificate.session)?;
    Ok(())
}

#[test]
fn session_aborted_by_its_owner_then_destroyed_else_refused() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let mut owner = rig.test_client()?;
    let spec = serde_json::to_string(&receive("cam", Raster::SMALL, 5000))?;
    owner.say(format_args!("create {spec}"))?;
    let (mut other, _) = user(&rig, "cam")?;
    other.block(2)?;
    assert_eq!(other.errno("abort")?, "EACCES");
    let answer = owner.say("abort")?;
    let certificate: Certificate = serde_json::from_value(answer["certificate"].clone())?;
    assert_eq!(certificate.operation, Operation::Abort);
    assert_eq!(certificate.requester.pid, owner.pid());
    assert_eq!(certificate.evicted.len(), 2);
    other.all_returned(2, "ESTALE")?;
    for client in [&mut owner, &mut other] {
        is_stale_everywhere(client)?;
    }
    assert_eq!(owner.errno("abort")?, "ESTALE");
    other.leave()?;
    control.completed(certificate.session)?;
    Ok(())
}

#[test]
fn client_evicted_and_attached_again_often_then_refused() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    let mut client = rig.test_client()?;
    for _ in 0..64 {
        client.say("attach cam")?;
        assert_eq!(control.evict_all("cam")?.len(), 1);
    }
    assert_eq!(client.errno("attach cam")?, "EDQUOT");
    client.say("drop")?;
    control.await_view("cam", "left by the others", |it| it.attachments.len() == 63)?;
    client.say("attach cam")?;
    control.stop("cam")?;
    let certificate = control.destroy("cam")?;
    assert_eq!(certificate.evicted.len(), 64);
    client.leave()?;
    control.completed(certificate.session)?;
    Ok(())
}
