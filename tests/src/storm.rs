//! A recorder under many producers in a process of its own, ended by a real signal.
//!
//! The program `onair-recorder-storm` has the daemon's own coordinator and signals. Each of its
//! producers numbers what it offers, notes what was accepted, and goes on for a while after the
//! end has begun. What it says at its end is compared with what others find in the files.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_record::{Counts, Manifest, ProducerCounts};
use onair_stage::{Deadline, Running, program};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::recordings::pcapng::Capture;

/// Bytes that are captured of each event.
pub const SNAP_LENGTH: usize = 96;

/// What one producer knows of itself: numbers that were accepted, from and up to (exclusive).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// As the recording calls it.
    pub name: String,
    /// Events that it offered.
    pub offered: u64,
    /// What was accepted of them.
    pub accepted: Vec<(u64, u64)>,
}

impl Own {
    /// Notes an offer.
    pub fn note(&mut self, was_accepted: bool) {
        let number = self.offered;
        self.offered += 1;
        if !was_accepted {
            return;
        }
        match self.accepted.last_mut() {
            Some((_, end)) if *end == number => *end += 1,
            _ => self.accepted.push((number, number + 1)),
        }
    }

    /// How many were accepted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.accepted.iter().map(|(from, to)| to - from).sum()
    }
}

/// What the program says at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StormResult {
    /// The producers' own counts.
    pub own: Vec<Own>,
    /// The recorder's, after the last offer.
    pub totals: Counts,
    /// Of each producer.
    pub producers: Vec<ProducerCounts>,
    /// The manifest as the recorder gave it.
    pub manifest: Manifest,
    /// Whether each part of the daemon's end was done in order, and how long all of it took.
    pub is_clean: bool,
    /// From the signal's arrival to the end, µs.
    pub us: u64,
}

/// Event `number` of producer `producer`: it says so, and each of its bytes follows from that.
#[must_use]
pub fn event(producer: u32, number: u64) -> [u8; SNAP_LENGTH] {
    let mut bytes = [0; SNAP_LENGTH];
    bytes[..4].copy_from_slice(&producer.to_le_bytes());
    bytes[4..12].copy_from_slice(&number.to_le_bytes());
    let word = (number ^ u64::from(producer) << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for place in bytes[12..].chunks_mut(8) {
        place.copy_from_slice(&word.to_le_bytes()[..place.len()]);
    }
    bytes
}

/// Producer and number of an event that was recorded.
pub fn read_event(bytes: &[u8]) -> Result<(u32, u64)> {
    ensure!(bytes.len() == SNAP_LENGTH, "{} bytes", bytes.len());
    let producer = u32::from_le_bytes(bytes[..4].try_into()?);
    let number = u64::from_le_bytes(bytes[4..12].try_into()?);
    ensure!(
        bytes == event(producer, number),
        "event {number} of producer {producer} is spoiled"
    );
    Ok((producer, number))
}

/// The numbers of each producer, in the order of the file. Each is above the one before it, and
/// what is between them is said to be missing there.
pub fn numbers(captures: &[Capture]) -> Result<BTreeMap<u32, Vec<u64>>> {
    let mut all: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for capture in captures {
        for packet in &capture.packets {
            let (producer, number) = read_event(&packet.bytes)?;
            let interface = &capture.interfaces[packet.interface].name;
            ensure!(*interface == name(producer), "{producer} in {interface}");
            let list = all.entry(producer).or_default();
            let next = list.last().map_or(0, |last| last + 1);
            ensure!(
                number >= next && packet.dropped == number - next,
                "producer {producer}: {number} follows, {next} was next, {} are said to be missing",
                packet.dropped
            );
            list.push(number);
        }
    }
    Ok(all)
}

/// The name of a producer.
#[must_use]
pub fn name(producer: u32) -> String {
    format!("producer {producer}")
}

/// The files of a recording's manifest, read strictly.
pub fn captures(folder: &Path, manifest: &Manifest) -> Result<Vec<Capture>> {
    let mut captures = Vec::new();
    for file in &manifest.files {
        let path = folder.join(&file.name);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        ensure!(bytes.len() as u64 == file.bytes, "{}: bytes", file.name);
        crate::recordings::recorded::sum_is(&path, file.sha256.as_deref())?;
        let capture = crate::recordings::pcapng::read(&bytes).with_context(|| file.name.clone())?;
        ensure!(
            capture.packets.len() as u64 == file.events,
            "{}: events",
            file.name
        );
        captures.push(capture);
    }
    Ok(captures)
}

/// Compares what the program says with what is in the files, to the event.
pub fn check(folder: &Path, outcome: &StormResult) -> Result<()> {
    let captures = captures(folder, &outcome.manifest)?;
    let found = numbers(&captures)?;
    let mut accepted = 0;
    for (number, own) in (0u32..).zip(&outcome.own) {
        let expected = own.accepted.iter().flat_map(|(from, to)| *from..*to);
        let there = found.get(&number).map_or(&[][..], Vec::as_slice);
        ensure!(
            expected.eq(there.iter().copied()),
            "{}: {} accepted, {} in the file, or not the same ones",
            own.name,
            own.count(),
            there.len()
        );
        let counts = outcome.producers.iter().find(|it| it.name == own.name);
        let counts = counts.with_context(|| own.name.clone())?.counts;
        ensure!(counts.arrived == own.offered, "{}: {counts:?}", own.name);
        ensure!(
            counts.accepted == own.count() && counts.written == own.count(),
            "{counts:?}"
        );
        ensure!(
            counts.dropped.total() == own.offered - own.count(),
            "{counts:?}"
        );
        ensure!(
            counts.dropped.not_accepting > 0,
            "{}: it went on, and nothing was refused",
            own.name
        );
        accepted += own.count();
    }
    ensure!(
        outcome.totals.balance() && outcome.totals.pending == 0,
        "{:?}",
        outcome.totals
    );
    ensure!(outcome.totals.written == accepted && outcome.totals.lost.total() == 0);
    ensure!(
        outcome.manifest.problems.is_empty(),
        "{:?}",
        outcome.manifest.problems
    );
    Ok(())
}

/// A storm as it is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Where it is recorded, as `storm`.
    pub folder: PathBuf,
    /// Packets of frames instead of events.
    pub sends_frames: bool,
    /// Threads that offer.
    pub producers: u32,
    /// Events a second, of all of them together; of them: frames.
    pub rate: u32,
    /// Bytes of each ring.
    pub ring_bytes: usize,
    /// Bytes that stay free.
    pub min_free_bytes: u64,
    /// Bytes of a part.
    pub split_size: Option<u64>,
    /// The drain thread sleeps until the end wakes it; it says `ready` when a ring is full.
    pub fills_rings: bool,
}

impl Wanted {
    /// 64 producers that offer a million events a second in all.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            sends_frames: false,
            producers: 64,
            rate: 1_000_000,
            ring_bytes: 1 << 20,
            min_free_bytes: 0,
            split_size: None,
            fills_rings: false,
        }
    }
}

/// A running `onair-recorder-storm`. It is killed when dropped.
#[derive(Debug)]
pub struct Storm {
    running: Running,
    out: BufReader<ChildStdout>,
}

impl Storm {
    /// Starts it. `wrap` may be a program and its arguments that start it in their turn.
    pub fn start(wanted: &Wanted, wrap: &[&str]) -> Result<Self> {
        let own = program("onair-recorder-storm")?;
        let mut command = match wrap.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(own);
                command
            }
            None => Command::new(own),
        };
        let mut child = command
            .arg(serde_json::to_string(wanted)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting onair-recorder-storm")?;
        let out = child.stdout.take().context("stdout")?;
        Ok(Self {
            running: Running::new("onair-recorder-storm", child)?,
            out: BufReader::new(out),
        })
    }

    /// Waits until its producers are about to offer.
    pub fn ready(&mut self) -> Result<()> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        ensure!(line == "ready\n", "it said {line:?}");
        Ok(())
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.running.signal(signal)
    }

    /// What it says, once it has ended by itself.
    pub fn outcome(mut self) -> Result<StormResult> {
        let mut text = String::new();
        // It ends when the other end is closed; a program that hangs is killed by the runner.
        self.out.read_to_string(&mut text)?;
        let status = self.running.wait(Deadline::seconds(60))?;
        ensure!(status.success(), "it ended with {status}: {text}");
        serde_json::from_str(&text).context("what it said")
    }

    /// Waits until it dies of SIGKILL.
    pub fn killed(mut self) -> Result<()> {
        let status = self.running.wait(Deadline::seconds(60))?;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        ensure!(
            signal == Some(Signal::KILL.as_raw()),
            "it ended with {status}"
        );
        Ok(())
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(mut self) -> Result<()> {
        self.running.kill().map(drop)
    }
}
