//! Frames that are sent while their client fills them: line by line, and too late.

use anyhow::{Result, ensure};
use onair::{Buffer, Error, Session, Status, Timeout};
use onair_api::{SessionCounters, Source, SpecDocument};
use onair_essence::video::{Sampling, Scan};
use onair_stage::OfVideo as _;
use onair_tests::{Config, Control, Dice, Raster, Rig, balanced, receive, send};

const UDP: u16 = 5004;
/// Slow, so that a late client is late by much and one in time has much of it.
const RASTER: Raster = Raster::new(320, 180, 2, 8);
const TIMEOUT: Timeout = Timeout::millis(20_000);
/// What is in the memory before the lines: it must never arrive.
const OLD: u8 = 0xee;

fn spec(spec: SpecDocument, scan: Option<Scan>, sampling: Option<Sampling>) -> SpecDocument {
    let mut spec = SpecDocument {
        quota: Some(8),
        ..spec
    };
    let video = spec.format.video_mut();
    (video.scan, video.sampling) = (scan, sampling);
    spec
}

/// A receiver `in` with a client, and a sender `out`.
fn both(
    rig: &Rig,
    control: &mut Control,
    scan: Option<Scan>,
    sampling: Option<Sampling>,
) -> Result<Session> {
    control.create(&spec(receive("in", RASTER, UDP), scan, sampling))?;
    let receiver = attach(rig, "in")?;
    control.create(&spec(
        send("out", RASTER, UDP, Source::Client),
        scan,
        sampling,
    ))?;
    Ok(receiver)
}

fn attach(rig: &Rig, session: &str) -> Result<Session> {
    Ok(Session::attach(
        Config::attach_socket(rig.stage()),
        session,
    )?)
}

/// Bytes without [`OLD`].
fn noise(dice: &mut Dice, bytes: usize) -> Vec<u8> {
    let byte = |dice: &mut Dice| dice.roll(u64::from(OLD)).to_le_bytes()[0];
    (0..bytes).map(|_| byte(dice)).collect()
}

/// Checks each byte that arrived of a frame of which these were sent. Returns how many did not arrive.
fn arrived(buffer: &Buffer<'_>, sent: &[u8]) -> Result<u32> {
    let (ranges, missing) = match buffer.status() {
        Status::Complete => (vec![], 0),
        Status::Incomplete(what) => (what.ranges().collect(), what.bytes_missing),
    };
    let listed: u32 = ranges.iter().map(|it| it.len).sum();
    ensure!(listed == missing, "more ranges than are listed: {ranges:?}");
    for (at, (came, sent)) in buffer.iter().zip(sent).enumerate() {
        let is_missing = ranges.iter().any(|it| {
            let start = it.offset as usize;
            (start..start + it.len as usize).contains(&at)
        });
        ensure!(
            is_missing || came == sent,
            "byte {at} is {came}, not {sent}"
        );
    }
    Ok(missing)
}

fn counters(control: &mut Control) -> Result<SessionCounters> {
    Ok(control.show("out")?.counters)
}

fn await_underruns(control: &mut Control, count: u64) -> Result<()> {
    control.await_view("out", "frames that ended early", |it| {
        it.counters.underruns_open >= count
    })?;
    assert_eq!(counters(control)?.underruns_open, count);
    Ok(())
}

#[test]
fn open_frames_filled_line_by_line_then_every_byte_arrives() -> Result<()> {
    for (scan, sampling) in [
        (None, None),
        (None, Some(Sampling::YCbCr420)),
        (Some(Scan::Interlaced), None),
        (Some(Scan::Psf), None),
    ] {
        let (rig, mut control) = Rig::with_control()?;
        let receiver = both(&rig, &mut control, scan, sampling)?;
        let sender = attach(&rig, "out")?;
        let mut dice = Dice::new(3);
        let (bytes, row_bytes) = (
            sender.layout().frame_bytes(),
            sender.layout().video.line_bytes(),
        );
        let lines_a_row = sender.layout().video.pgroup().lines;
        for _ in 0..4 {
            let sent = noise(&mut dice, bytes);
            let mut buffer = sender.buffer_get_mut(TIMEOUT)?;
            buffer.fill(OLD);
            let mut buffer = buffer.submit_open()?;
            // A part only when some of the one before has been sent, and line by line.
            let rows = sent.chunks(row_bytes).count();
            let mut before = counters(&mut control)?.packets;
            for (row, from) in (1..).zip(sent.chunks(row_bytes)) {
                buffer[..row * row_bytes][(row - 1) * row_bytes..].copy_from_slice(from);
                buffer.lines_ready(u32::try_from(row)? * lines_a_row);
                if row % (rows / 3) == 0 && row < rows {
                    control.await_view("out", "sending these lines", |it| {
                        it.counters.packets > before
                    })?;
                    before = counters(&mut control)?.packets;
                }
            }
            buffer.finish()?;
            let buffer = receiver.buffer_get(TIMEOUT)?;
            assert_eq!(arrived(&buffer, &sent)?, 0, "{scan:?} {sampling:?}");
        }
        let counted = counters(&mut control)?;
        assert_eq!((counted.frames_sent, counted.frames_submitted), (4, 4));
        assert_eq!((counted.underruns_open, counted.packets_not_filled), (0, 0));
        drop(sender);
        balanced(&control.end("out")?, 0)?;
    }
    Ok(())
}

#[test]
fn open_frame_filled_too_late_then_no_old_line_is_sent() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let receiver = both(&rig, &mut control, None, None)?;
    let sender = attach(&rig, "out")?;
    let mut dice = Dice::new(5);
    let (bytes, line_bytes) = (
        sender.layout().frame_bytes(),
        sender.layout().video.line_bytes(),
    );
    for (round, lines) in (1..).zip([0, 1, 90, 179]) {
        let [late, next] = [(); 2].map(|()| noise(&mut dice, bytes));
        let mut buffer = sender.buffer_get_mut(TIMEOUT)?;
        buffer.fill(OLD);
        let mut whole = sender.buffer_get_mut(TIMEOUT)?;
        let mut open = buffer.submit_open()?;
        whole.copy_from_slice(&next);
        whole.submit()?;
        open[..lines * line_bytes].copy_from_slice(&late[..lines * line_bytes]);
        open.lines_ready(u32::try_from(lines)?);
        await_underruns(&mut control, round)?;
        // Too late.
        open.copy_from_slice(&late);
        open.finish()?;
        if lines > 1 {
            let buffer = receiver.buffer_get(TIMEOUT)?;
            let missing = arrived(&buffer, &late)? as usize;
            assert!(
                (bytes - lines * line_bytes..bytes).contains(&missing),
                "{missing}"
            );
        }
        let buffer = receiver.buffer_get(TIMEOUT)?;
        assert_eq!(arrived(&buffer, &next)?, 0);
    }
    let counted = counters(&mut control)?;
    assert_eq!((counted.frames_sent, counted.frames_submitted), (4, 8));
    assert!(counted.packets_not_filled > 0);
    assert_eq!(
        receiver
            .buffer_get(Timeout::millis(600))
            .map(drop)
            .unwrap_err()
            .errno(),
        Error::TimedOut.errno()
    );
    drop(sender);
    balanced(&control.end("out")?, 0)?;
    Ok(())
}
