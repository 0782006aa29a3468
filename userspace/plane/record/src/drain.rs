//! The drain thread: sleeps, reads every ring, and writes the events to files.
//!
//! A producer never waits for it. A flush, the end and a new producer wake it at once; otherwise it
//! sleeps as long as the rings allow.

mod flush;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use onair_api::RecordingEnd;

use crate::before::{Before, Seam};
use crate::error::DrainPanic;
use crate::files::Files;
use crate::gaps::Gaps;
use crate::manifest::{Stage, Time};
use crate::pcapng::Pcapng;
use crate::producer::gate::Door;
use crate::producer::ring::RingReader;
use crate::shared::{DrainState, Listener, RecordingShared};
use crate::spec::Spec;
use flush::text;

pub(crate) use flush::first_manifest;

/// Most bytes read from one ring before the next ring's turn.
const BATCH: usize = 256 * 1024;
/// Shortest and longest sleep.
const NAP: Duration = Duration::from_micros(100);
const SLEEP: Duration = Duration::from_millis(20);
/// Time after which taken events are written, even if they do not fill a block.
const SETTLE: Duration = Duration::from_millis(100);
/// Interval of statistics, manifest, and retries after a fault.
const TICK: Duration = Duration::from_secs(1);

/// State of the drain thread.
pub(crate) struct Drain {
    spec: Spec,
    started_at: Time,
    ends_at: Option<Instant>,
    shared: Arc<RecordingShared>,
    listener: Listener,
    encoder: Pcapng,
    files: Files,
    /// Ring of each producer; `None` once the producer is gone and the ring is empty.
    rings: Vec<Option<RingReader>>,
    gaps: Gaps,
    flushed: u64,
    sleep: Duration,
    settled_at: Instant,
    ticked_at: Instant,
    tried_at: Instant,
    published_at: Instant,
    published: DrainState,
    /// The files of earlier daemons.
    before: Option<Arc<Before>>,
    /// Counts what is missing since these, from the first events, until it knows.
    seam: Option<Box<dyn Seam>>,
    /// Time of the first event, nanoseconds since 1970.
    resumed_at: Option<u64>,
    missed: Option<u64>,
    /// It just became known.
    is_joined: bool,
}

impl Drain {
    pub(crate) fn new(
        spec: &Spec,
        started_at: Time,
        shared: Arc<RecordingShared>,
        files: Files,
        listener: Listener,
        before: Option<(Arc<Before>, Box<dyn Seam>)>,
    ) -> Self {
        let now = Instant::now();
        let elapsed = before.as_ref().map_or(Duration::ZERO, |(it, _)| it.age());
        let remaining = spec.duration.map(|it| it.saturating_sub(elapsed));
        let (before, seam) = before.unzip();
        Self {
            encoder: Pcapng::new(spec),
            spec: spec.clone(),
            started_at,
            ends_at: remaining.and_then(|it| now.checked_add(it)),
            shared,
            listener,
            files,
            rings: Vec::new(),
            gaps: Gaps::default(),
            flushed: 0,
            sleep: NAP,
            settled_at: now,
            ticked_at: now,
            tried_at: now,
            published_at: now,
            published: DrainState::Recording,
            before,
            seam,
            resumed_at: None,
            missed: None,
            is_joined: false,
        }
    }

    pub(crate) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            self.record();
            self.finish()
        }));
        shared.gate.close();
        let ended = ended.map_err(|panic| {
            let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            DrainPanic(text.unwrap_or_else(|| "no message".to_owned()))
        });
        let reason = ended.as_ref().err().map(|panic| panic.0.clone());
        let mut progress = shared.progress();
        if let Ok(manifest) = &ended {
            progress.publish(manifest);
            progress.restarts.clone_from(&manifest.restarts);
        }
        progress.ended = Some(ended);
        shared.changed.notify_all();
        drop(progress);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            (self.listener)(DrainState::Ended, reason.as_deref());
        }));
    }

    fn record(&mut self) {
        self.encoder.begin_file(&mut self.files);
        loop {
            if self.shared.is_ending() {
                return;
            }
            if self.shared.gate.door() == Door::Closed {
                self.files.write_directly();
            }
            // Read before the rings: events accepted before the flush are taken.
            let flush = self.shared.flush_wanted();
            self.take_in();
            let begun = Instant::now();
            let before = (flush != self.flushed).then(|| self.snapshot());
            let fill = self.pass(before.is_some());
            self.files.collect();
            if let Some(before) = before {
                self.answer_flush(flush, before, begun);
            }
            self.run_periodic();
            self.rest(fill);
        }
    }

    /// Registers new producers.
    fn take_in(&mut self) {
        for (totals, ring) in self.shared.joined() {
            let longest = ring.longest_sleep();
            self.files.join(totals);
            self.rings.push(Some(ring));
            self.sleep = self.sleep.min(longest.max(NAP));
        }
    }

    /// Longest sleep that the smallest ring allows.
    fn longest_sleep(&self) -> Duration {
        let rings = self.rings.iter().flatten();
        let longest = rings.map(RingReader::longest_sleep).min();
        longest.unwrap_or(SLEEP).clamp(NAP, SLEEP)
    }

    /// Takes the events in the rings and writes whole blocks. Returns the fill of the fullest ring,
    /// in sixteenths.
    fn pass(&mut self, is_urgent: bool) -> usize {
        if self.files.fault().is_some() && !self.try_again(is_urgent) {
            return 0;
        }
        let mut fill = 0;
        for producer in 0..self.rings.len() {
            let Some(ring) = &mut self.rings[producer] else {
                continue;
            };
            let is_abandoned = ring.is_abandoned();
            let waiting = ring.waiting();
            fill = fill.max(waiting * 16 / ring.capacity().max(1));
            if is_abandoned && waiting == 0 {
                self.rings[producer] = None;
                continue;
            }
            if !self.empty(producer, waiting) {
                break;
            }
        }
        self.note_fault();
        self.publish();
        fill
    }

    /// Takes the `waiting` bytes of one ring. `false` during a fault.
    fn empty(&mut self, producer: usize, waiting: usize) -> bool {
        let mut remaining = waiting;
        while remaining > 0 {
            let Some(ring) = &mut self.rings[producer] else {
                return true;
            };
            let mut events = 0;
            let (encoder, files, gaps) = (&mut self.encoder, &mut self.files, &mut self.gaps);
            let (seam, missed) = (&mut self.seam, &mut self.missed);
            let (resumed_at, is_joined) = (&mut self.resumed_at, &mut self.is_joined);
            let read = ring.read(remaining.min(BATCH), |event| {
                if let Some(it) = seam {
                    resumed_at.get_or_insert(event.at_ns);
                    if !it.event(event.at_ns, event.bytes) {
                        *missed = it.missed();
                        (*seam, *is_joined) = (None, true);
                    }
                }
                gaps.event(producer, event);
                encoder.event(producer, event, files);
                events += 1;
                true
            });
            self.files.totals(producer).take(events);
            let shared = Arc::clone(&self.shared);
            if !shared.busy(|| self.files.pump(false)) {
                return false;
            }
            shared.busy(|| self.files.catch_up());
            if read == 0 {
                // An event still being written to the ring, or one longer than a batch.
                if remaining <= BATCH {
                    return true;
                }
                return self.empty_long(producer, remaining);
            }
            remaining = remaining.saturating_sub(read);
        }
        true
    }

    /// Takes an event longer than a batch.
    fn empty_long(&mut self, producer: usize, waiting: usize) -> bool {
        let (encoder, files, gaps) = (&mut self.encoder, &mut self.files, &mut self.gaps);
        let Some(ring) = &mut self.rings[producer] else {
            return true;
        };
        let mut events = 0;
        ring.read(waiting, |event| {
            gaps.event(producer, event);
            encoder.event(producer, event, files);
            events += 1;
            false
        });
        self.files.totals(producer).take(events);
        self.files.pump(false)
    }

    /// Retries after a fault. Returns whether the fault is gone.
    fn try_again(&mut self, is_urgent: bool) -> bool {
        if !is_urgent && self.tried_at.elapsed() < TICK {
            return false;
        }
        self.tried_at = Instant::now();
        let shared = Arc::clone(&self.shared);
        let gone = shared.busy(|| self.files.pump(true));
        self.note_fault();
        gone
    }

    /// Shuts the door during a fault and opens it afterwards.
    fn note_fault(&mut self) {
        let text = self.files.fault().map(ToString::to_string);
        let (door, state) = match self.files.fault() {
            Some(fault) => (fault.door(), DrainState::Degraded),
            None => (Door::Open, DrainState::Recording),
        };
        let mut progress = self.shared.progress();
        if progress.fault != text {
            progress.fault.clone_from(&text);
        }
        drop(progress);
        if self.shared.gate.door() != door {
            self.shared.gate.set(door);
        }
        if self.published != state {
            self.published = state;
            if let Some(text) = &text {
                self.files.problem(text.clone());
            }
            (self.listener)(state, text.as_deref());
        }
    }

    /// Publishes the current state for other threads.
    fn publish(&mut self) {
        self.shared.bytes.store(self.files.len(), Ordering::Relaxed);
    }

    /// Runs what is due by time.
    fn run_periodic(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.settled_at) >= SETTLE && self.files.fault().is_none() {
            self.settled_at = now;
            if self.files.waiting() > 0 {
                let shared = Arc::clone(&self.shared);
                shared.busy(|| self.files.pump(true));
                self.note_fault();
            }
        }
        if std::mem::take(&mut self.is_joined) {
            self.publish_restart();
        }
        if now.duration_since(self.ticked_at) >= TICK {
            self.ticked_at = now;
            self.tick(now);
        }
        if self.shared.gate.door() == Door::Closed {
            // The thread that closed it ends the recording with its own cause.
            self.ends_at = None;
            return;
        }
        if self.ends_at.is_some_and(|at| now >= at) {
            self.shared.begin_end(RecordingEnd::DurationReached);
        }
        if self.spec.size.is_some_and(|most| self.files.len() >= most) {
            self.shared.begin_end(RecordingEnd::SizeReached);
        }
    }

    fn tick(&mut self, now: Instant) {
        // Also during a fault: the removed file may have filled the disk.
        if self.files.replace_removed() {
            self.encoder.begin_file(&mut self.files);
        }
        if self.files.fault().is_none() {
            self.encoder.tick(&mut self.files);
        }
        // A manifest of very many files is long: write it less often than each second.
        let pause = TICK * u32::try_from(self.files.count() / 1000).unwrap_or(u32::MAX);
        if now.duration_since(self.published_at) >= pause {
            self.publish_manifest(now);
        }
    }

    fn publish_manifest(&mut self, now: Instant) {
        self.published_at = now;
        let manifest = self.manifest(Stage::Recording);
        self.shared.progress().publish(&manifest);
        self.files.manifest_file(text(&manifest));
    }

    /// The gap since the last daemon is on disk before it is published: a kill must not take it back.
    fn publish_restart(&mut self) {
        let shared = Arc::clone(&self.shared);
        shared.busy(|| self.files.settle());
        let manifest = self.manifest(Stage::Recording);
        self.files.manifest_file(text(&manifest));
        shared.busy(|| self.files.settle());
        self.shared.progress().restarts = manifest.restarts;
    }

    fn rest(&mut self, fill: usize) {
        match fill {
            // A quarter full: no sleep.
            4.. => {
                self.sleep = NAP;
                return;
            }
            1..4 => self.sleep = (self.sleep / 2).max(NAP),
            _ => {
                self.sleep = match self.spec.sleep {
                    Some(asked_for) => asked_for,
                    None => (self.sleep * 2).min(self.longest_sleep()),
                };
            }
        }
        let mut sleep = self.sleep;
        if let Some(at) = self.ends_at {
            sleep = sleep.min(at.saturating_duration_since(Instant::now()));
        }
        thread::park_timeout(sleep);
    }
}
