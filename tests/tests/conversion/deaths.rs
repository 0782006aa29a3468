//! The process that converts is killed, or stands still: only its own frames are missing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Session, Timeout};
use onair_stage::{Deadline, is_converter, until};
use onair_tests::{Control, Rig};
use rustix::process::{Pid, Signal, kill_process};

use crate::conversion::converted::{cam, convert, out};
use crate::conversion::converters::attach;

const TIMEOUT: Timeout = Timeout::millis(30_000);
const CONVERTED: &str = "cam-v210";

/// The process that fills the converted session; another one than `before`.
fn converter(control: &mut Control, before: Option<u32>) -> Result<u32> {
    until("onair-convert to fill", Deadline::seconds(30), || {
        let all = control.show(CONVERTED)?.attachments;
        let pids = all.iter().filter(|it| is_converter(it) && it.fills);
        Ok(pids.map(|it| it.pid).find(|pid| Some(*pid) != before))
    })
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid.cast_signed()).context("a process")?;
    Ok(kill_process(pid, signal)?)
}

/// Takes all that is there, and one more.
fn next(session: &Session) -> Result<u64> {
    while session.buffer_get(Timeout::millis(0)).is_ok() {}
    Ok(session.buffer_get(TIMEOUT)?.number())
}

fn on_air() -> Result<(Rig, Control)> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    convert(&mut control, CONVERTED, "v210")?;
    out(&mut control)?;
    Ok((rig, control))
}

#[test]
fn converter_killed_then_frames_again_and_the_source_whole() -> Result<()> {
    const ROUNDS: u32 = 8;
    let (rig, mut control) = on_air()?;
    let (source, converted) = (attach(&rig, "cam")?, attach(&rig, CONVERTED)?);
    let is_over = AtomicBool::new(false);
    let lost = thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<u64> {
            let (mut last, mut lost) = (source.buffer_get(TIMEOUT)?.number(), 0);
            while !is_over.load(Ordering::Relaxed) {
                let number = source.buffer_get(TIMEOUT)?.number();
                lost += number - last - 1;
                last = number;
            }
            Ok(lost)
        });
        let killed = kill_again_and_again(&mut control, &converted, ROUNDS);
        is_over.store(true, Ordering::Relaxed);
        let lost = reader.join().expect("it does not panic");
        killed.and(lost)
    })?;
    ensure!(lost == 0, "the source's client lost {lost} frames");
    let counters = control.show("cam")?.counters;
    ensure!(counters.frames_no_buffer == 0, "{counters:?}");
    source.detach()?;
    converted.detach()?;
    for name in ["cam", CONVERTED] {
        control.end(name)?;
    }
    Ok(())
}

fn kill_again_and_again(control: &mut Control, converted: &Session, rounds: u32) -> Result<()> {
    let mut last = 0;
    for round in 0..rounds {
        let number = next(converted)?;
        ensure!(number > last || round == 0, "{number} after {last}");
        last = number;
        let pid = converter(control, None)?;
        // At different times of a frame.
        thread::sleep(Duration::from_micros(u64::from(round) * 2_500));
        signal(pid, Signal::KILL)?;
        converter(control, Some(pid))?;
    }
    next(converted)?;
    let counters = control.show(CONVERTED)?.counters;
    ensure!(counters.frames_not_converted > 0, "{counters:?}");
    Ok(())
}

#[test]
fn converter_frozen_then_stops_go_on_and_it_is_replaced() -> Result<()> {
    let (rig, mut control) = on_air()?;
    let converted = attach(&rig, CONVERTED)?;
    next(&converted)?;
    let frozen = converter(&mut control, None)?;
    signal(frozen, Signal::STOP)?;
    for name in ["cam", CONVERTED] {
        control.stop(name)?;
    }
    for name in ["cam", CONVERTED] {
        control.start(name)?;
    }
    let other = converter(&mut control, Some(frozen))?;
    next(&converted)?;
    // The daemon kills it before the destroys give up.
    signal(other, Signal::STOP)?;
    converted.detach()?;
    for name in [CONVERTED, "cam"] {
        control.end(name)?;
    }
    Ok(())
}
