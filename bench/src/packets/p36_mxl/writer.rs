//! The process that has the library alone: frames from a ring in memory, part by part over a frame's time.

use std::ffi::OsStr;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_mxl::flow::Definition;
use onair_mxl::libmxl::{FlowWriter, Instance, Library};
use onair_stage::Actor;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::{RATE, RAW, format, now_ns};
use crate::result::samples::{float, micros};

/// Parts of a frame, as those of the client library.
const PARTS: usize = 16;
/// As those of a session: a frame has left the cache when it is copied.
const FRAMES: usize = 18;

#[derive(clap::Args)]
pub(crate) struct RawWriter {
    #[arg(long)]
    library: PathBuf,
    #[arg(long)]
    domain: PathBuf,
}

/// Starts it. To `write N` it writes so many grains, and answers what a copy of one took.
pub(super) fn start(library: &OsStr, domain: &Path) -> Result<Actor> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("mxl-writer").arg("--library").arg(library);
    Actor::start("mxl-writer", command.arg("--domain").arg(domain))
}

/// Nanoseconds of processor that this thread has used.
fn used_ns() -> Result<u64> {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Ok(u64::try_from(used.tv_sec * 1_000_000_000 + used.tv_nsec)?)
}

impl RawWriter {
    pub(crate) fn run(&self) -> Result<()> {
        let library = Arc::new(Library::load(self.library.as_os_str())?);
        let instance = Instance::open(&library, &self.domain)?;
        let definition = Definition {
            id: RAW,
            label: "raw".to_owned(),
            group: "raw".to_owned(),
            format: format(),
            is_utc: true,
        };
        let lines = format().lines() as usize;
        let rows = lines.div_ceil(PARTS);
        let hints = json!({"maxCommitBatchSizeHint": rows, "maxSyncBatchSizeHint": rows});
        let document = definition.document().to_string();
        let mut flow = FlowWriter::create(&instance, &document, &hints.to_string())?;
        let bytes = format().bytes();
        let frames = vec![vec![0x55_u8; bytes]; FRAMES];
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            let count: usize = line.strip_prefix("write ").context("write N")?.parse()?;
            let mut copied_ns = 0;
            let first = RATE.index(now_ns()?) + 2;
            for (index, frame) in (first..).zip(frames.iter().cycle()).take(count) {
                let mut grain = flow.grain(index, bytes)?;
                for start in (0..lines).step_by(rows) {
                    let end = (start + rows).min(lines);
                    // As lines come from a wire.
                    let after = RATE.ns(1) * start as u64 / lines as u64;
                    let ahead = (RATE.ns(index) + after).saturating_sub(now_ns()?);
                    std::thread::sleep(Duration::from_nanos(ahead));
                    let part = start * bytes / lines..end * bytes / lines;
                    let before = used_ns()?;
                    grain.payload()[part.clone()].copy_from_slice(&frame[part]);
                    copied_ns += used_ns()? - before;
                    if end < lines {
                        grain.commit(u16::try_from(end)?)?;
                    }
                }
                grain.finish(true)?;
            }
            let copy_us = micros(copied_ns) / float(count as u64);
            println!("{}", json!({ "copy_us": copy_us }));
        }
        Ok(())
    }
}
