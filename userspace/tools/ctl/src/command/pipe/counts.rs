//! Counts of passing units.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use onair::{Ended, Gap};

use crate::document::Piped;
use crate::render::printable;

/// Counts of passing units. Several threads count.
#[derive(Debug)]
pub(super) struct Counts {
    session: String,
    begin: Instant,
    frames: AtomicU64,
    bytes: AtomicU64,
    incomplete: AtomicU64,
    /// Frames that the reader was too slow for.
    lost: AtomicU64,
    /// Buffers that this process was too slow for.
    missed: AtomicU64,
    interruptions: AtomicU64,
    /// Hidden unless standard error is a terminal.
    bar: ProgressBar,
}

impl Counts {
    /// Of a session or group, from now on.
    pub(super) fn of(session: &str) -> Arc<Self> {
        let style = "{spinner} {msg}: {pos} frames, {per_sec}, {elapsed}";
        let style = ProgressStyle::with_template(style).expect("the template is well formed");
        let bar = ProgressBar::new_spinner().with_style(style);
        bar.set_message(printable(session));
        Arc::new(Self {
            session: session.to_owned(),
            begin: Instant::now(),
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            incomplete: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            interruptions: AtomicU64::new(0),
            bar,
        })
    }

    /// A frame of so many bytes is through. Returns how many are.
    pub(super) fn passed(&self, bytes: usize) -> u64 {
        self.add_bytes(bytes);
        self.bar.inc(1);
        self.frames.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Bytes are through that are no frame.
    pub(super) fn add_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The reader is too slow for a frame.
    pub(super) fn lose(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// A frame came; of an incomplete one bytes are missing.
    pub(super) fn came(&self, is_complete: bool) {
        let incomplete = u64::from(!is_complete);
        self.incomplete.fetch_add(incomplete, Ordering::Relaxed);
    }

    /// A buffer of this number came. `next` is the number that was expected, and becomes that of the next one. Returns how
    /// many were missed.
    pub(super) fn follow(&self, next: &mut Option<u64>, number: u64) -> u64 {
        let expected = next.replace(number + 1);
        let missed = expected.map_or(0, |it| number.saturating_sub(it));
        self.missed.fetch_add(missed, Ordering::Relaxed);
        missed
    }

    /// Counts an interruption of this session, and tells of it.
    pub(super) fn interrupted(&self, session: &str, gap: &Gap) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
        let what = match gap.ended {
            Ended::Stopped => "was stopped",
            Ended::Session => "was gone",
            Ended::Daemon => "was without its daemon",
        };
        let missing = gap.missing.map(|it| format!(", {it} buffers are missing"));
        let (name, seconds) = (printable(session), gap.lasted.as_secs_f64());
        let missing = missing.unwrap_or_default();
        self.bar
            .suspend(|| eprintln!("session {name} {what} for {seconds:.2} s{missing}"));
    }

    /// Tells of a session whose units have no time of TAI.
    pub(super) fn no_time(&self, session: &str) {
        let name = printable(session);
        self.bar.suspend(|| {
            eprintln!(
                "session {name} does not follow TAI: its units have the times when they came; synchronise its sender, or \
                 give the media clock's offset"
            );
        });
    }

    /// Sums up what came of a direction and format.
    pub(super) fn sum_up(
        &self,
        (direction, format): (&'static str, &'static str),
        content: BTreeMap<&'static str, String>,
        ended: &'static str,
    ) -> Piped {
        self.bar.finish_and_clear();
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Piped {
            session: self.session.clone(),
            direction,
            format,
            content,
            frames: load(&self.frames),
            bytes: load(&self.bytes),
            incomplete_frames: load(&self.incomplete),
            lost_frames: load(&self.lost),
            missed_buffers: load(&self.missed),
            interruptions: load(&self.interruptions),
            seconds: self.begin.elapsed().as_secs_f64(),
            ended,
        }
    }
}
