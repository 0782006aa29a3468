//! A sender with faults beside the lamp: each turns it, with its name, and it is green again soon after.

use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context as _, Result};
use onair::Coding;
use onair_api::{Signal, SignalState, Source};
use onair_essence::FormatDocument;
use onair_tests::two_networks::{TwoNetworks, receive_both, send_both};
use onair_tests::{
    Backend, Deadline, Raster, Rig, receive, resolve, send as sends, until, wait_for,
};
use serde_json::json;

use super::faulty_sender::{Fault, Kind, SOUND, Sender};
use crate::{ancillary, audio, jpeg_xs};

/// Waits for the signal to be so, and returns it.
fn signal(rig: &Rig, is: impl Fn(&Signal) -> bool, what: &str) -> Result<Signal> {
    let mut control = rig.control()?;
    let mut last = None;
    let begun = Instant::now();
    // As docs/troubleshoot.md promises, and the time in which a loaded machine lets a sender run.
    let promised = Deadline::seconds(10);
    let found = until(format_args!("the signal: {what}"), promised, || {
        last = control.show("in")?.signal;
        Ok(last.clone().filter(|it| is(it)))
    });
    let found = found.with_context(|| format!("{last:?}"))?;
    println!("{what}: after {:?}: {:?}", begun.elapsed(), found.reason);
    Ok(found)
}

fn is_ok(signal: &Signal) -> bool {
    signal.state == SignalState::Ok
}

/// Each fault turns the lamp to its state with its words, and its end turns it back.
fn judged(rig: &Rig, kind: Kind, faults: &[(Fault, SignalState, &str)]) -> Result<Sender> {
    let sender = Sender::start(rig, kind)?;
    signal(rig, is_ok, "ok at first")?;
    for (fault, state, words) in faults {
        sender.has(*fault);
        let is_told = |it: &Signal| {
            it.state == *state && it.reason.as_ref().is_some_and(|it| it.contains(words))
        };
        signal(rig, is_told, words)?;
        sender.has(Fault::None);
        signal(rig, is_ok, "ok again")?;
    }
    Ok(sender)
}

/// The lamp stays green for some time.
fn stays_ok(rig: &Rig, what: &str) -> Result<()> {
    let calm = Deadline::seconds(4);
    let mut control = rig.control()?;
    until(what, Deadline::seconds(30), || {
        let signal = control.show("in")?.signal.context("a signal")?;
        assert!(is_ok(&signal), "{what}: {signal:?}");
        Ok(calm.passed().then_some(()))
    })
}

/// Each essence.
fn formats() -> [(&'static str, FormatDocument); 4] {
    let compressed = jpeg_xs::jpeg_xs(&json!({}));
    [
        ("video", receive("in", Raster::SMALL, 0).format),
        (
            "sound",
            FormatDocument::Audio(audio::audio(Coding::L24, 48_000, 2)),
        ),
        (
            "data",
            FormatDocument::Ancillary(ancillary::ancillary("25", false)),
        ),
        ("compressed", FormatDocument::JpegXs(compressed)),
    ]
}

#[test]
fn calm_time_of_each_essence_on_both_legs_then_no_problem() -> Result<()> {
    let networks = TwoNetworks::open(Backend::AfPacket)?;
    let mut control = networks.rig.control()?;
    let mut names = Vec::new();
    for ((name, format), udp) in formats().into_iter().zip((5004..).step_by(4)) {
        let (one, two) = (format!("{name}-one"), format!("{name}-two"));
        let all = [
            receive(&one, Raster::SMALL, udp),
            receive_both(&two, Raster::SMALL, udp + 2),
            sends(&format!("{one}-out"), Raster::SMALL, udp, Source::Pattern),
            send_both(&format!("{two}-out"), Raster::SMALL, udp + 2),
        ];
        for mut spec in all {
            spec.format = format.clone();
            control.create(&spec)?;
        }
        names.extend([one, two]);
    }
    for name in &names {
        // The first units of a source may be parts, and are judged for a second.
        control.await_view(name, "whole units", |it| it.counters.frames_complete > 150)?;
    }
    let wanted = std::env::var("ONAIR_CALM_SECONDS").ok();
    let seconds: u64 = wanted.map_or(Ok(5), |it| it.parse())?;
    let calm = Deadline::seconds(seconds);
    until("a calm time", Deadline::seconds(seconds + 30), || {
        for name in &names {
            let view = control.show(name)?;
            assert_eq!(
                view.problems,
                [],
                "{name}: {:?} {:?}",
                view.counters,
                view.recent
            );
        }
        Ok(calm.passed().then_some(()))
    })
}

#[test]
fn sender_of_sound_with_faults_then_each_named_and_its_end() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    let format = audio::audio(Coding::L24, 48_000, 2);
    control.create(&audio::into_b(&format, SOUND.udp))?;
    resolve(rig.stage(), "10.77.0.2")?;
    let sender = judged(
        &rig,
        SOUND,
        &[
            (Fault::ZeroTimestamps, SignalState::Timestamps, "timestamps"),
            (
                Fault::TwiceAsFast,
                SignalState::Mismatch,
                "96000 Hz arrives",
            ),
            (Fault::LeavesOut, SignalState::Impaired, "too few: "),
            // The receiver's blocks begin elsewhere: two miss a part.
            (
                Fault::LeavesOneOut,
                SignalState::Impaired,
                " of 100 blocks a second",
            ),
            // Each costs the block that it belongs to, and where it goes.
            (
                Fault::OneWrongTimestamp,
                SignalState::Impaired,
                " of 100 blocks a second",
            ),
        ],
    )?;
    // Another source, other numbers: a sender that restarts.
    sender.ssrc.store(9, Ordering::Relaxed);
    control.await_view("in", "the restart", |it| it.counters.ssrc_changes > 0)?;
    signal(&rig, is_ok, "ok after a restart")?;
    stays_ok(&rig, "after a restart")?;
    sender.has(Fault::WrongTimestampOnce);
    wait_for("the wrong timestamp to be sent", 10, || {
        Ok(sender.fault.load(Ordering::Relaxed) == Fault::None as u32)
    })?;
    stays_ok(&rig, "one wrong timestamp")?;
    sender.end()?;
    control.end("in")?;
    Ok(())
}
