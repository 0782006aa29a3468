//! What no well-behaved client does. The shared memory is written through `/proc/self/mem`, so that
//! nothing of the library stands in the way, and nothing here is unsafe.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::Builder;

use anyhow::{Context as _, Result, bail};
use onair::Session;
use onair_ipc::layout::{
    CTL_GATE, CTL_STATE, Geometry, SEG_COUNT_EVENT, SEG_COUNT_FRAME, SEG_COUNT_PROGRESS,
    SEG_COUNT_WATCH, SLOTS,
};
use onair_ipc::mapping::{Access, Mapping};
use onair_ipc::sys::{futex_waitv, gettid};
use onair_tests::Dice;
use rustix::fs::{FallocateFlags, fallocate};
use serde_json::{Value, json};

use super::{Reply, TestClient};

/// Bytes of a slot; its count of callers is the first word (`onair_ipc::slot::Slot`).
const SLOT_BYTES: u64 = 64;
/// Where its owner stands: the third word.
const SLOT_OWNER: u64 = 8;

impl TestClient {
    pub(crate) fn hostile_command(&self, word: &str, rest: &str) -> Result<Reply> {
        Ok(Ok(match word {
            "clear-slots" => {
                let frame_bytes = self.session()?.layout().frame_bytes();
                json!({ "cleared": clear_slots(frame_bytes)? })
            }
            "count-me" => {
                let session = self.session()?;
                // It has a slot from its first call on.
                let _ = session.buffer_get(onair::Timeout::millis(1));
                count_me(session)?;
                Value::Null
            }
            "riot" => {
                riot()?;
                Value::Null
            }
            "doze" => {
                doze(rest.parse()?)?;
                Value::Null
            }
            "punch" => {
                let (name, times) = rest.split_once(' ').context("a file, and how often")?;
                punch(name, times.parse()?)?;
                Value::Null
            }
            "canary" => {
                onair_ipc::site::canary(rest.parse()?);
                Value::Null
            }
            "exec" => {
                let mut words = rest.split_ascii_whitespace();
                let program = words.next().context("give a program")?;
                return Err(Command::new(program).args(words).exec().into());
            }
            _ => bail!("no such hostile command"),
        }))
    }
}

/// A thread writes random words all over the writable segment until this process ends.
pub(crate) fn riot() -> Result<()> {
    let (begin, end) = mapped("onair-seg")?;
    let memory = memory()?;
    let seed = u64::from(std::process::id()) + 1;
    std::thread::spawn(move || write_all_over(&memory, (begin, end), Dice::new(seed)));
    Ok(())
}

/// Writes random words everywhere, for ever. Some are such as the protocol knows.
fn write_all_over(memory: &File, (begin, end): (u64, u64), mut dice: Dice) {
    loop {
        let place = begin + dice.roll((end - begin) / 8) * 8;
        let mut word = dice.roll(u64::MAX);
        if dice.one_of(500) {
            word = word & 0x0000_000f_0000_0000 | dice.roll(5) | dice.roll(4) << 8;
        }
        if memory.write_all_at(&word.to_ne_bytes(), place).is_err() {
            return;
        }
    }
}

/// Counts a call in the calling thread's slot, as if it were inside one, whatever it does.
pub(crate) fn count_me(session: &Session) -> Result<()> {
    let memory = memory()?;
    let slots = slots(session.layout().frame_bytes())?;
    for index in 0..SLOTS as u64 {
        let place = slots + index * SLOT_BYTES;
        let mut owner = [0; 4];
        memory.read_exact_at(&mut owner, place + SLOT_OWNER)?;
        if owner == gettid().to_ne_bytes() {
            return Ok(memory.write_all_at(&1_u32.to_ne_bytes(), place)?);
        }
    }
    bail!("this thread has no slot: call something first")
}

/// Writes 0 into the count of every slot; how many were not 0.
fn clear_slots(frame_bytes: usize) -> Result<usize> {
    let memory = memory()?;
    let slots = slots(frame_bytes)?;
    let mut cleared = 0;
    for index in 0..SLOTS as u64 {
        let place = slots + index * SLOT_BYTES;
        let mut count = [0; 4];
        memory.read_exact_at(&mut count, place)?;
        if count != [0; 4] {
            memory.write_all_at(&[0; 4], place)?;
            cleared += 1;
        }
    }
    Ok(cleared)
}

/// The address of the first slot.
fn slots(frame_bytes: usize) -> Result<u64> {
    let (begin, geometry) = geometry(frame_bytes)?;
    Ok(begin + geometry.seg_slots() as u64)
}

/// The address of the writable segment, and its sizes.
fn geometry(frame_bytes: usize) -> Result<(u64, Geometry)> {
    let (begin, end) = mapped("onair-seg")?;
    let frames = mapped("onair-frames").map(|(begin, end)| end - begin)?;
    let stride = frame_bytes.next_multiple_of(4096) as u64;
    let geometry = Geometry::new(u32::try_from(frames / stride)?, u32::try_from(frame_bytes)?)
        .filter(|geometry| geometry.seg_len() as u64 == end - begin)
        .context("the mapped files have other sizes than onair_ipc::layout says")?;
    Ok((begin, geometry))
}

/// Threads that sleep on the words that callers sleep on, each on one as often as one call allows, and
/// sleep again when they are woken. The event counts say that very many do.
fn doze(threads: usize) -> Result<()> {
    const TIMES: usize = 128;
    const STACK: usize = 64 << 10;
    let adopt = |name: &str| -> Result<&'static Mapping> {
        let (begin, end) = mapped(name)?;
        let file = File::open(format!("/proc/self/map_files/{begin:x}-{end:x}"))?;
        let len = usize::try_from(end - begin)?;
        Ok(Box::leak(Box::new(Mapping::new(
            file.as_fd(),
            len,
            Access::ReadOnly,
        )?)))
    };
    let event_counts = [
        SEG_COUNT_FRAME,
        SEG_COUNT_EVENT,
        SEG_COUNT_WATCH,
        SEG_COUNT_PROGRESS,
    ];
    let (begin, _) = mapped("onair-seg")?;
    for event_count in event_counts {
        memory()?.write_all_at(&[0xff; 4], begin + event_count as u64 + 4)?;
    }
    let (ctl, seg) = (adopt("onair-ctl")?, adopt("onair-seg")?);
    let gates = [CTL_GATE, CTL_STATE].map(|word| ctl.at::<AtomicU32>(word));
    let words: Vec<&AtomicU32> = event_counts
        .map(|event_count| seg.at(event_count))
        .into_iter()
        .chain(gates)
        .collect();
    for index in 0..threads {
        let word = words[index % words.len()];
        let sleep = move || {
            loop {
                let now = word.load(Ordering::Relaxed);
                futex_waitv([(word, now); TIMES], u64::MAX);
            }
        };
        Builder::new().stack_size(STACK).spawn(sleep)?;
    }
    Ok(())
}

/// Punches the memory file `name` away, so many times.
fn punch(name: &str, times: usize) -> Result<()> {
    let (begin, end) = mapped(name)?;
    let path = format!("/proc/self/map_files/{begin:x}-{end:x}");
    let file = File::options().read(true).write(true).open(path)?;
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    for _ in 0..times {
        fallocate(&file, hole, 0, end - begin)?;
    }
    Ok(())
}

/// Where the memfd `name` is mapped: begin and end. There must be one only: the addresses do not
/// tell whose it is.
fn mapped(name: &str) -> Result<(u64, u64)> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut found = maps
        .lines()
        .filter(|line| line.contains(&format!("/memfd:{name}")));
    let (Some(line), None) = (found.next(), found.next()) else {
        bail!("attach to one session, and to no other: {name} must be mapped once");
    };
    let (begin, end) = line
        .split_ascii_whitespace()
        .next()
        .and_then(|range| range.split_once('-'))
        .context("/proc/self/maps")?;
    Ok((
        u64::from_str_radix(begin, 16)?,
        u64::from_str_radix(end, 16)?,
    ))
}

pub(crate) fn memory() -> Result<File> {
    File::options()
        .read(true)
        .write(true)
        .open("/proc/self/mem")
        .context("/proc/self/mem")
}
