//! Flows as sessions.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Coding, Error, PixelFormat, Session, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::audio::Tone;
use onair_essence::video::pattern::{PatternWriter, verify};
use onair_essence::video::{Depth, FrameRate, Sampling, Scan, VideoFormat};
use onair_mxl::libmxl::FlowWriter;
use onair_tests::{Config, QUOTA, Rig, send};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Domain, FLOW, RASTER, definition, end, now};
use crate::{ancillary, audio};

/// Writes the pattern into the flow, a grain at its time.
pub(super) struct Writer {
    pattern: PatternWriter,
    video: VideoFormat,
    flow: FlowWriter,
    pub(super) index: u64,
    pub(super) number: u64,
}

impl Writer {
    fn new(domain: &Domain) -> Result<Self> {
        Self::of(domain, &definition().document(), Scan::Progressive)
    }

    /// Of a definition; of an interlaced one a grain is a field.
    pub(super) fn of(domain: &Domain, document: &Value, scan: Scan) -> Result<Self> {
        let size = (RASTER.width, RASTER.height);
        let ten = (Sampling::YCbCr422, Depth::Ten);
        let rate = FrameRate::new(RASTER.rate, 1)?;
        let video = VideoFormat::of(size, ten, scan, rate)?;
        Ok(Self {
            pattern: PatternWriter::new(&video)?,
            video,
            flow: FlowWriter::create(&domain.instance()?, &document.to_string(), "")?,
            index: now(),
            number: 0,
        })
    }

    pub(super) fn write(&mut self, count: u64, is_valid: bool) -> Result<()> {
        let lines = self.video.rows(false);
        let lines = u32::try_from(lines)?;
        let picture = onair::Picture::of(&self.video, lines).context("whole groups")?;
        let format = PixelFormat::V210;
        for _ in 0..count {
            let mut pgroups = vec![0; picture.bytes()];
            self.pattern.start(self.number);
            self.pattern.fill(&mut pgroups);
            let mut grain = (self.flow).grain(self.index, format.planes(&picture).bytes)?;
            onair_pixels::unpack(&picture, &pgroups, format, grain.payload())?;
            grain.finish(is_valid)?;
            (self.index, self.number) = (self.index + 1, self.number + 1);
            sleep(Duration::from_millis(1000 / u64::from(RASTER.rate)));
        }
        Ok(())
    }
}

/// The number of the next whole frame of a session, if one comes.
fn next(session: &Session, timeout: Timeout) -> Result<Option<u64>> {
    let buffer = match session.buffer_get(timeout) {
        Err(Error::TimedOut) => return Ok(None),
        buffer => buffer?,
    };
    ensure!(buffer.status().is_complete(), "{buffer:?}");
    Ok(Some(verify(&buffer)?))
}

#[test]
fn flow_into_a_session_then_each_valid_grain_is_sent() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    control.ample("cam", RASTER, 5000)?;
    control.create(&send("out", RASTER, 5000, Source::Client))?;
    let domain = Domain::new(&rig, 64)?;
    let carrier = domain.carry(&rig, &["--out", &format!("{FLOW}=out")])?;
    let mut writer = Writer::new(&domain)?;
    let session = Session::attach(Config::attach_socket(rig.stage()), "cam")?;
    let next = |timeout| next(&session, timeout);
    let late = Timeout::millis(20_000);
    // Until it is read.
    while control.show("out")?.counters.frames_sent == 0 {
        writer.write(1, true)?;
    }
    let first = next(late)?.context("a frame")?;
    let end_of_first = writer.number + 120;
    let mut numbers = vec![first];
    while writer.number < end_of_first {
        writer.write(1, true)?;
        while let Some(number) = next(Timeout::NOW)? {
            numbers.push(number);
        }
    }
    while numbers.last() != Some(&(end_of_first - 1)) {
        numbers.push(next(late)?.context("a frame")?);
    }
    let all: Vec<_> = (first..end_of_first).collect();
    assert_eq!(numbers, all, "each grain of the running flow is sent once");

    // Invalid ones are left out; the indices jump back, then ahead; the writer restarts.
    writer.write(5, false)?;
    let jumps: [fn(&mut Writer); 2] = [|it| it.index -= 5000, |it| it.index += 9000];
    for jump in jumps {
        jump(&mut writer);
        let wanted = writer.number..writer.number + 50;
        writer.write(50, true)?;
        let number = next(late)?.context("a frame")?;
        ensure!(wanted.contains(&number), "{number} of {wanted:?}");
        while next(late)? != Some(wanted.end - 1) {}
    }
    drop(writer);
    let mut writer = Writer::new(&domain)?;
    writer.number = 1000;
    writer.write(50, true)?;
    let number = next(late)?.context("a frame")?;
    ensure!((1000..1050).contains(&number), "the new flow is read");
    drop(session);
    end(carrier)
}

#[test]
fn sound_and_data_through_flows_then_the_same() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let named = |name: &str, udp: u16, spec: SpecDocument| {
        let mut spec = spec;
        name.clone_into(&mut spec.name);
        let (host, _) = spec.flow.destination.split_once(':').unwrap_or_default();
        spec.flow.destination = format!("{host}:{udp}");
        spec
    };
    let tone = audio::audio(Coding::L24, 48_000, 2);
    let data = ancillary::ancillary("50", false);
    control.create(&named("mic", 5000, audio::into_b(&tone, 5000)))?;
    control.create(&named("heard", 5001, audio::into_b(&tone, 5001)))?;
    control.create(&named("cc", 5002, ancillary::into_b(&data, 5002)))?;
    control.create(&named("seen", 5003, ancillary::into_b(&data, 5003)))?;
    let client = Source::Client;
    control.create(&named("play", 5001, audio::out_of_a(&tone, 5001, client)))?;
    control.create(&named(
        "insert",
        5003,
        ancillary::out_of_a(&data, 5003, client),
    ))?;
    let pattern = Source::Pattern;
    control.create(&named("tone", 5000, audio::out_of_a(&tone, 5000, pattern)))?;
    control.create(&named(
        "data",
        5002,
        ancillary::out_of_a(&data, 5002, pattern),
    ))?;
    let domain = Domain::new(&rig, 64)?;
    let other = Uuid::from_u128(FLOW.as_u128() + 1);
    let carrier = domain.carry(
        &rig,
        &[
            "--in",
            &format!("mic={FLOW}"),
            "--in",
            &format!("cc={other}"),
            "--out",
            &format!("{FLOW}=play"),
            "--out",
            &format!("{other}=insert"),
        ],
    )?;
    let heard = audio::attach(&rig, "heard")?;
    let format = audio::format(&tone);
    let judge = Tone::new(&format);
    let (mut last, mut in_a_row) = (None, 0);
    for _ in 0..500 {
        // A packet that a busy machine loses is silence.
        let first = judge.verify(&audio::next(&heard)?.bytes).ok();
        let follows = first.is_some_and(|first| {
            last.is_some_and(|before: u64| first == before + u64::from(format.block_samples()))
        });
        in_a_row = if follows { in_a_row + 1 } else { 0 };
        last = first;
        if in_a_row == 30 {
            break;
        }
    }
    assert_eq!(in_a_row, 30, "every sample is that of the tone");
    let seen = ancillary::attach(&rig, "seen")?;
    let mut with_packets = 0;
    while with_packets < 20 {
        let unit = ancillary::next(&seen)?;
        // A slot without a unit keeps the stream alive.
        if !unit.packets.is_empty() {
            let kinds: Vec<_> = unit.packets.iter().map(|it| it.kind).collect();
            let expected = [onair::anc_content::TIMECODE, onair::anc_content::CEA_608];
            assert_eq!(kinds, expected);
            with_packets += 1;
        }
    }
    drop((heard, seen));
    end(carrier)
}

#[test]
fn fill_and_key_into_local_and_send_then_the_picture() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    control.create(&SpecDocument {
        quota: Some(QUOTA),
        ..onair_stage::local("mix", RASTER)
    })?;
    control.ample("cam", RASTER, 5000)?;
    control.create(&send("out", RASTER, 5000, Source::Client))?;
    let domain = Domain::new(&rig, 64)?;
    let into = |session| format!("{FLOW}={session}");
    let carrier = domain.carry(&rig, &["--out", &into("mix"), "--out", &into("out")])?;
    let mut document = definition().document();
    document["media_type"] = json!("video/v210a");
    let key = json!({"name": "A", "width": RASTER.width, "height": RASTER.height, "bit_depth": 10});
    let components = document["components"].as_array_mut();
    components.context("components")?.push(key);
    let mut writer = Writer::of(&domain, &document, Scan::Progressive)?;
    for name in ["mix", "cam"] {
        let session = Session::attach(Config::attach_socket(rig.stage()), name)?;
        let mut numbers = Vec::new();
        while numbers.len() < 20 {
            writer.write(1, true)?;
            numbers.extend(next(&session, Timeout::NOW)?);
            ensure!(writer.number < 3000, "{name}: {numbers:?}");
        }
        ensure!(numbers.is_sorted_by(|a, b| a < b), "{name}: {numbers:?}");
    }
    end(carrier)
}
