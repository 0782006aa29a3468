//! Writers of other makers: a flow that is made long before its first grain, samples in batches of their own, pauses.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Error, Scan, Timeout};
use onair_api::{Direction, FlowDocument, SpecDocument};
use onair_essence::audio::Coding;
use onair_mxl::flow::{Definition, Format, Rate};
use onair_mxl::libmxl::FlowWriter;
use onair_tests::{QUOTA, Rig, wait_for};
use rustix::process::Signal;

use super::outward::Writer;
use super::{Domain, FLOW, RASTER, definition, end};
use crate::audio;

#[test]
fn flow_made_before_its_first_grain_then_none_is_missing() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    control.create(&onair_stage::local("mix", RASTER))?;
    let domain = Domain::new(&rig, 64)?;
    let mut carrier = domain.carry(&rig, &["--out", &format!("{FLOW}=mix")])?;
    let mut writer = Writer::of(&domain, &definition().document(), Scan::Progressive)?;
    carrier.says("reads")?;
    sleep(Duration::from_millis(300));
    writer.index = super::now();
    wait_for("frames", 30, || {
        writer.write(1, true)?;
        Ok(control.show("mix")?.counters.frames_complete >= 20)
    })?;
    carrier.running.signal(Signal::TERM)?;
    let said = carrier.line(" grains")?;
    let mut words = said.split([' ', ',']).filter(|it| !it.is_empty());
    let missing = words.clone().position(|it| it == "missing");
    let missing = missing.and_then(|at| words.nth(at - 1)).unwrap_or("0");
    // A busy machine may lose some.
    ensure!(missing.parse::<u64>()? < 1000, "{said}");
    Ok(())
}

/// Exact in 24 bits and in a float.
const STEPS: u64 = 1 << 22;

#[test]
fn samples_late_and_in_other_batches_then_in_order() -> Result<()> {
    const BATCH: usize = 500;
    let (rig, mut control) = Rig::with_control()?;
    let tone = audio::audio(Coding::L24, 48_000, 2);
    control.create(&SpecDocument {
        name: "mix".to_owned(),
        direction: Direction::Local,
        port: String::new(),
        flow: FlowDocument::default(),
        frame_timeout_ms: None,
        quota: Some(QUOTA),
        ..audio::into_b(&tone, 5000)
    })?;
    let domain = Domain::new(&rig, 64)?;
    let mut carrier = domain.carry(&rig, &["--out", &format!("{FLOW}=mix")])?;
    let definition = Definition {
        format: Format::Audio {
            channels: 2,
            rate: Rate {
                numerator: 48_000,
                denominator: 1,
            },
        },
        ..definition()
    };
    let document = definition.document().to_string();
    let mut writer = FlowWriter::create(&domain.instance()?, &document, "")?;
    let mix = Client::at(rig.attach_socket()).attach_audio("mix")?;
    let (mut end_of_batch, mut last, mut blocks) = (1_000_000_u64, None, 0);
    for batch in 0..60 {
        end_of_batch += BATCH as u64;
        let first = end_of_batch - BATCH as u64;
        writer.samples(end_of_batch, BATCH, |_, from, piece| {
            for (place, at) in piece.iter_mut().zip(first + from as u64..) {
                let step = u16::try_from((at % STEPS) >> 8).unwrap_or_default();
                let low = u16::try_from(at % 256).unwrap_or_default();
                *place = (f32::from(step) * 256.0 + f32::from(low)) / 8_388_608.0;
            }
        })?;
        // Longer than the reader's patience.
        sleep(Duration::from_millis(if batch % 5 == 4 { 150 } else { 10 }));
        loop {
            let block = match mix.buffer_get(Timeout::NOW) {
                Err(Error::TimedOut) => break,
                block => block?,
            };
            for sample in block.chunks(6) {
                let at = sample[..3]
                    .iter()
                    .fold(0, |at, it| at << 8 | u64::from(*it));
                let follows = last.is_none_or(|before: u64| (before + 1) % STEPS == at);
                ensure!(follows, "block {blocks}: {at} after {last:?}");
                last = Some(at);
            }
            blocks += 1;
        }
    }
    ensure!(blocks > 50, "{blocks}");
    let jumped = carrier.heard("jumped back");
    ensure!(jumped.is_none(), "it took the pauses for jumps");
    last.context("samples came")?;
    end(carrier)
}
