//! Each coding, rate and packet time, out of one port and into another: every sample is compared.

use anyhow::{Context as _, Result};
use onair::Coding;
use onair_api::Source;
use onair_essence::audio::{AudioDocument, Tone};
use onair_tests::{Config, Rig, onairctl, wait_for};

use super::{attach, audio, format, into_b, next, out_of_a};

/// Blocks of each format.
const BLOCKS: u64 = 12;

/// Sends the tone until `BLOCKS` blocks have come, and compares each sample and time.
fn carry(rig: &Rig, audio: &AudioDocument) -> Result<()> {
    let mut control = rig.control()?;
    control.create(&into_b(audio, 5004))?;
    let session = attach(rig, "in")?;
    control.create(&out_of_a(audio, 5004, Source::Pattern))?;
    let format = format(audio);
    assert_eq!(*session.layout(), format);
    let tone = Tone::new(&format);
    let (samples, rate) = (u64::from(format.block_samples()), format.sample_rate());
    let mut last: Option<(u64, u32)> = None;
    for number in 0..BLOCKS {
        let block = next(&session)?;
        assert!(block.complete, "{block:?}");
        assert_eq!(block.number, number);
        let first = tone.verify(&block.bytes)?;
        assert_eq!(
            first % samples,
            0,
            "a block of the receiver is one of the sender"
        );
        // The time of the first sample, in TAI, is a multiple of a block since the epoch.
        let time_ns = block.time_ns.context("both follow one clock")?;
        let sample = (u128::from(time_ns) + 1) * u128::from(rate) / 1_000_000_000;
        assert_eq!(sample % u128::from(samples), 0);
        assert_eq!(sample % (1 << 32), block.timestamp.into());
        if let Some((before, timestamp)) = last {
            // A block's time may pass unused when the machine is busy.
            assert_eq!(first, before + samples);
            let ticks = u64::from(block.timestamp.wrapping_sub(timestamp));
            assert_eq!(ticks % samples, 0);
        }
        last = Some((first, block.timestamp));
    }
    let out = control.end("out")?.frames;
    wait_for("what was sent to be received", 20, || {
        Ok(control.show("in")?.counters.packets >= out.packets)
    })?;
    drop(session);
    let counters = control.end("in")?.frames;
    assert_eq!((counters.packets_lost, counters.packets_late), (0, 0));
    assert_eq!(counters.packets, out.packets);
    assert!(counters.packets_malformed.is_empty(), "{counters:?}");
    Ok(())
}

#[test]
fn tone_in_each_coding_and_rate_then_every_sample_is_right() -> Result<()> {
    let rig = Rig::pair()?;
    for coding in [Coding::L16, Coding::L24, Coding::Am824] {
        for rate in [44_100, 48_000, 96_000] {
            let audio = AudioDocument {
                packet_time_us: (rate == 96_000).then_some(250),
                ..audio(coding, rate, 4)
            };
            let audio = match coding {
                Coding::Am824 => AudioDocument {
                    channels: 2,
                    ..audio
                },
                _ => audio,
            };
            carry(&rig, &audio).with_context(|| format!("{audio}"))?;
        }
    }
    no_other_essence(&rig)
}

/// It is attached as no other essence.
fn no_other_essence(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    control.create(&into_b(&audio(Coding::L16, 48_000, 2), 5004))?;
    control.receiver("cam", 5006)?;
    let client = onair::Client::at(Config::attach_socket(rig.stage()));
    let error = client.attach("in").expect_err("audio");
    assert!(error.to_string().contains("audio"), "{error}");
    let error = attach(rig, "cam").expect_err("video");
    assert!(error.to_string().contains("video"), "{error}");
    let socket = Config::attach_socket(rig.stage());
    let pipe = format!("pipe in --attach {}", socket.display());
    for (line, says) in [
        ("session create x --from in --layout v210", "v210"),
        ("session snapshot in --output -", "no whole second"),
        (pipe.as_str(), "audio"),
    ] {
        let refused = onairctl(rig, line)?;
        assert_ne!(refused.code, 0, "{line}");
        assert!(refused.err.contains(says), "{line}: {refused:?}");
    }
    control.end("in")?;
    control.end("cam")?;
    Ok(())
}
