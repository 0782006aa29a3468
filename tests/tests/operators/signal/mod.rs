//! Is there a picture, and is it the right one: the state, the sentence and the metric of each fault.

mod faulty_sender;
mod lamp;

use anyhow::{Context as _, Result};
use onair_api::{HealthStatus, Signal, SignalState, Source, SpecDocument};
use onair_essence::video::Scan;
use onair_stage::OfVideo as _;
use onair_tests::{Deadline, Raster, Rig, member, onairctl, receive, send, until};

const RASTER: Raster = Raster::new(320, 180, 25, 8);
const UDP: u16 = 5004;

/// The signal of `session`, when it is in this state.
fn signal(rig: &Rig, session: &str, state: SignalState) -> Result<Signal> {
    let mut control = rig.control()?;
    let deadline = Deadline::seconds(30);
    let mut last = None;
    let found = until(format_args!("the signal {state}"), deadline, || {
        last = control.show(session)?.signal;
        Ok(last.clone().filter(|it| it.state == state))
    });
    found.with_context(|| format!("{last:?}"))
}

/// Whether the metric of this state is 1.
fn is_measured(rig: &Rig, session: &str, state: SignalState) -> Result<bool> {
    let scraped = rig.scrape()?;
    let mut lines = scraped.lines();
    Ok(lines.any(|line| {
        line.starts_with("onair_session_signal{")
            && line.contains(&format!("session=\"{session}\""))
            && line.contains(&format!("state=\"{state}\""))
            && line.ends_with(" 1")
    }))
}

#[test]
fn source_that_comes_goes_and_differs_is_told_with_what_to_do() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("in", RASTER, UDP))?;
    let absent = signal(&rig, "in", SignalState::Absent)?;
    let reason = absent.reason.context("a reason")?;
    assert!(
        reason.contains("10.77.0.2:5004 has arrived since the start"),
        "{reason}"
    );
    assert!(is_measured(&rig, "in", SignalState::Absent)?);
    let health = control.health()?;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert!(
        health
            .problems
            .iter()
            .any(|it| it.starts_with("session in: "))
    );

    type Change = fn(&mut SpecDocument);
    let others: [(Change, &str); 5] = [
        (
            |it| it.flow.payload_type = Some(112),
            "retarget in0 --payload-type 112",
        ),
        (|it| it.format.video_mut().width = 640, "--size 640x180"),
        (
            |it| it.format.video_mut().frame_rate = "30000/1001".to_owned(),
            "--rate 30000/1001",
        ),
        (
            |it| it.format.video_mut().depth = 10,
            "--sampling YCbCr-4:2:2 --depth 10",
        ),
        (
            |it| it.format.video_mut().scan = Some(Scan::Psf),
            "--scan psf",
        ),
    ];
    // Each in a session of its own, and all at once.
    for (at, (change, _)) in (0..).zip(&others) {
        let udp = UDP + 20 + 2 * at;
        control.create(&receive(&format!("in{at}"), RASTER, udp))?;
        let mut other = send(&format!("out{at}"), RASTER, udp, Source::Pattern);
        change(&mut other);
        control.create(&other)?;
    }
    // As docs/troubleshoot.md promises.
    let promised = Deadline::seconds(2);
    for (at, (_, command)) in others.iter().enumerate() {
        let name = format!("in{at}");
        let reason = until("the command that fits", promised, || {
            let signal = control.show(&name)?.signal;
            let signal = signal.filter(|it| it.state == SignalState::Mismatch);
            let reason = signal.and_then(|it| it.reason);
            Ok(reason.filter(|it| it.contains(command)))
        });
        reason.with_context(|| format!("{command}: {:?}", control.show(&name)))?;
        assert!(is_measured(&rig, &name, SignalState::Mismatch)?);
    }
    for at in 0..others.len() {
        control.end(format!("out{at}"))?;
    }
    for at in 0..others.len() {
        let name = format!("in{at}");
        let absent = signal(&rig, &name, SignalState::Absent)?;
        let reason = absent.reason.context("a reason")?;
        assert!(reason.contains("arrives since"), "{reason}");
        control.end(name)?;
    }

    control.create(&send("out", RASTER, UDP, Source::Pattern))?;
    let ok = signal(&rig, "in", SignalState::Ok)?;
    assert_eq!(ok.reason, None);
    assert!(is_measured(&rig, "in", SignalState::Ok)?);
    let arriving = until("a survey", Deadline::seconds(30), || {
        Ok(control.show("in")?.signal.and_then(|it| it.arriving))
    })?;
    let arrives = arriving.format.to_string();
    assert!(arrives.starts_with("320x180 25 fps"), "{arrives}");
    let listed = onairctl(&rig, "session list")?;
    assert!(listed.out.contains("● ok"), "{listed:?}");

    // A sender whose client is not there, and a group on a network without a querier.
    control.create(&send("quiet", RASTER, UDP + 4, Source::Client))?;
    control.create(&member("group", UDP, &[]))?;
    // Only another source is accepted.
    let mut filtered = receive("in2", RASTER, UDP + 2);
    filtered.flow.source = Some("10.77.0.9".to_owned());
    control.create(&filtered)?;
    control.create(&SpecDocument {
        name: "out2".to_owned(),
        ..send("out2", RASTER, UDP + 2, Source::Pattern)
    })?;
    let reason = until("the other source", Deadline::seconds(30), || {
        let reason = control.show("in2")?.signal.and_then(|it| it.reason);
        Ok(reason.filter(|it| it.contains("come from 10.77.0.1")))
    })?;
    assert!(
        reason.contains("retarget in2 --source-address 10.77.0.1"),
        "{reason}"
    );

    let absent = signal(&rig, "quiet", SignalState::Absent)?;
    let reason = absent.reason.context("a reason")?;
    assert!(reason.contains("no client is attached"), "{reason}");
    let reason = until("the missing querier", Deadline::seconds(30), || {
        let reason = control.show("group")?.signal.and_then(|it| it.reason);
        Ok(reason.filter(|it| it.contains("querier")))
    });
    let reason = reason.with_context(|| format!("{:?}", control.show("group")))?;
    assert!(reason.contains("no querier asks on port b"), "{reason}");
    for name in ["in", "out", "in2", "out2", "quiet", "group"] {
        control.end(name)?;
    }
    Ok(())
}

/// A frame a half second, a field with a line more than the other, and what is no picture.
#[test]
fn sessions_like_slow_odd_and_other_streams_have_their_formats() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    for (flags, shown) in [
        ("--size 320x180 --rate 2", "320x180 2 fps 10 bit"),
        (
            "--size 720x487 --rate 30000/1001 --scan interlaced",
            "720x487 interlaced 30000/1001 fps 10 bit",
        ),
        (
            "--ancillary 25 --fields",
            "ancillary data 25 fps interlaced",
        ),
        (
            "--jpeg-xs 640x360@60000/1001 --codestream-bytes 20000",
            "JPEG XS 640x360 60000/1001 fps 10 bit",
        ),
    ] {
        let sends = format!(
            "session create out --direction send --port a --pattern --destination 10.77.0.2:5004 {flags}"
        );
        let sent = onairctl(&rig, &sends)?;
        assert_eq!(sent.code, 0, "{sent:?}");
        let create = "session create cam --like-what-arrives --port b --destination 10.77.0.2:5004";
        let created = onairctl(&rig, create)?;
        assert_eq!(created.code, 0, "{flags}: {created:?}");
        assert_eq!(control.show("cam")?.format.to_string(), shown);
        control.await_view("cam", "with whole units", |it| {
            it.counters.frames_complete > 3
        })?;
        let incomplete = control.show("cam")?.counters.frames_incomplete;
        assert!(incomplete <= 1, "{flags}: {incomplete} are incomplete");
        control.end("cam")?;
        control.end("out")?;
    }
    Ok(())
}
