//! A client that is evicted while others go on.

use anyhow::{Context as _, Result};
use onair_api::{AttachmentState, Certificate, EvictionCause, SpecDocument};
use onair_tests::{Control, Deadline, Raster, Rig, TestClient, Viewer, balanced, receive};

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
