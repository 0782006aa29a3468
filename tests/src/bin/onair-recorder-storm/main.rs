//! Many producers, one recording, and the end of the daemon: its coordinator and its signals.
//!
//! `onair-recorder-storm JSON` ([`Wanted`]) says `ready`, offers until SIGTERM ends it, and writes
//! an [`StormResult`] when it has ended.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use onair_api::RecordingEnd;
use onair_record::{Manifest, Producer, Recording, SessionLabel, Spec};
use onair_settings::config::ShutdownConfig;
use onair_stage::{FUTEX, calls, threads_named};
use onair_tests::storm::{Own, SNAP_LENGTH, StormResult, Wanted, event, name};
use onair_tests::{FlowSender, raster, wait_for};
use onair_workers::WorkerGuard;
use onaird::shutdown::{ShutdownCoordinator, Signals};
use serde_json::json;

/// What is offered after the end has begun, so that something is refused.
const AFTER: u64 = 100;
/// Between two bursts: what makes the rate, and waits for nothing.
const PAUSE: Duration = Duration::from_millis(2);

fn main() -> Result<()> {
    let wanted = std::env::args().nth(1);
    let wanted = wanted.context("give what is wanted: onair-recorder-storm JSON")?;
    let wanted: Wanted = serde_json::from_str(&wanted)?;
    let shutdown = ShutdownCoordinator::new(ShutdownConfig::default())?;
    let _signals = Signals::install(&shutdown, || std::process::exit(9))?;
    let recording = Arc::new(Mutex::new(Recording::start(spec(&wanted))?));
    let manifest = register(&shutdown, &recording);

    let producers = (0..wanted.producers).map(|number| lock(&recording).producer(&name(number)));
    let producers = producers.collect::<Result<Vec<_>, _>>()?;
    if wanted.fills_rings {
        // Once it has work, it may keep up and never sleep.
        wait_for("the drain thread to sleep", 60, drain_sleeps)?;
    }
    let mut threads = Vec::new();
    for (number, producer) in (0..).zip(producers) {
        let worker = shutdown.threads().register(&name(number));
        let thread = Thread {
            number,
            producer,
            worker,
            shutdown: shutdown.clone(),
            rate: wanted.rate.div_ceil(wanted.producers).into(),
        };
        let sends_frames = wanted.sends_frames;
        threads.push(std::thread::spawn(move || match sends_frames {
            true => thread.send_frames(),
            false => thread.offer_events(),
        }));
    }
    if wanted.fills_rings {
        wait_for("a ring to be full", 60, || {
            Ok(lock(&recording).status().totals.dropped.ring_full > 0)
        })?;
    }
    println!("ready");
    let report = shutdown.run();

    let mut own = Vec::new();
    for thread in threads {
        let ended = thread.join();
        own.push(ended.map_err(|_| anyhow::anyhow!("a producer panicked"))?);
    }
    let status = lock(&recording).status();
    let manifest = lock(&manifest).take().context("it was not finished")?;
    let outcome = StormResult {
        own,
        totals: status.totals,
        producers: status.producers,
        manifest,
        is_clean: report.troubled().next().is_none(),
        us: u64::try_from(report.took.as_micros())?,
    };
    for part in report.troubled() {
        eprintln!("{part:?}");
    }
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &outcome)?;
    out.flush()?;
    Ok(())
}

const DRAIN: &str = "rec-storm";

/// Whether the drain thread waits in futex(2).
fn drain_sleeps() -> Result<bool> {
    let pid = std::process::id();
    let drain = threads_named(pid, DRAIN)?;
    let calls = calls(pid)?;
    Ok(calls
        .iter()
        .any(|(tid, number, _)| drain.contains(tid) && *number == FUTEX))
}

fn spec(wanted: &Wanted) -> Spec {
    let name = "storm".parse().expect("it is a name");
    let mut spec = Spec::new(&wanted.folder, name);
    match wanted.sends_frames {
        true => spec.session = Some(session()),
        false => spec.snap_length = u32::try_from(SNAP_LENGTH).expect("it is small"),
    }
    spec.ring_bytes = wanted.ring_bytes;
    spec.min_free_bytes = wanted.min_free_bytes;
    spec.split_size = wanted.split_size;
    spec.sleep = wanted.fills_rings.then_some(Duration::from_secs(3600));
    spec
}

/// The session whose packets the producers send, for `onairctl export`.
fn session() -> SessionLabel {
    let raster = raster(8);
    SessionLabel {
        id: "storm".to_owned(),
        name: "storm".to_owned(),
        spec: json!({
            "name": "storm", "direction": "receive", "port": "a",
            "video": {"width": raster.width(), "height": raster.height(),
                "frame_rate": raster.rate().to_string(), "depth": 8},
            "flow": {"destination": "10.0.0.2:5004"},
        }),
    }
}

/// As the daemon does it: the cut in the first phase, the end in the second, the threads in the
/// third.
fn register(
    shutdown: &ShutdownCoordinator,
    recording: &Arc<Mutex<Recording>>,
) -> Arc<Mutex<Option<Manifest>>> {
    let manifest = Arc::new(Mutex::new(None));
    let (own, out) = (Arc::clone(recording), Arc::clone(&manifest));
    let cut = Arc::clone(recording);
    shutdown.register_shutdown_notification("recording", move || lock(&cut).stop_accepting());
    shutdown.register_shutdown_waiter("recording", 0, Duration::from_secs(20), move |waiting| {
        let deadline = Instant::now() + waiting.remaining();
        let finished = lock(&own).finish(RecordingEnd::Shutdown, deadline);
        *lock(&out) = Some(finished?);
        Ok(())
    });
    let threads = shutdown.threads().clone();
    shutdown.register_cleanup("producers", 0, move |waiting| {
        Ok(threads.wait_all_stopped(waiting.remaining())?)
    });
    manifest
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that offers.
pub(crate) struct Thread {
    pub(crate) number: u32,
    pub(crate) producer: Producer,
    pub(crate) worker: WorkerGuard,
    pub(crate) shutdown: ShutdownCoordinator,
    /// Events or frames a second.
    pub(crate) rate: u64,
}

impl Thread {
    /// Offers events at its rate, until a while after the end has begun.
    pub(crate) fn offer_events(mut self) -> Own {
        let mut own = Own {
            name: name(self.number),
            ..Own::default()
        };
        let begun = Instant::now();
        let mut last = None;
        while last.is_none_or(|last| own.offered < last) {
            let due = self.due(begun);
            let at = now();
            while own.offered < due {
                let bytes = event(self.number, own.offered);
                let accepted = self.producer.offer(at, 1400, &bytes);
                own.note(accepted);
                match accepted {
                    true => self.worker.count_processed(1),
                    false => self.worker.count_dropped(1),
                }
            }
            if last.is_none() && self.is_ending() {
                last = Some(own.offered + AFTER);
            }
            std::thread::sleep(PAUSE);
        }
        own
    }

    /// Sends frames at its rate, until the end has begun.
    pub(crate) fn send_frames(mut self) -> Own {
        let mut own = Own {
            name: name(self.number),
            ..Own::default()
        };
        let mut sender = FlowSender::new(raster(8));
        let begun = Instant::now();
        let mut frames = 0;
        while !self.is_ending() {
            while frames < self.due(begun) {
                let producer = &mut self.producer;
                sender.frame(|at, packet| {
                    let len = u32::try_from(packet.len()).unwrap_or(u32::MAX);
                    own.note(producer.offer(at, len, packet));
                });
                frames += 1;
            }
            std::thread::sleep(PAUSE);
        }
        own
    }

    /// Both: what the coordinator says to its workers, and what the recording does.
    fn is_ending(&self) -> bool {
        self.shutdown.is_shutting_down()
            && !self.worker.is_accepting()
            && !self.producer.is_accepting()
    }

    fn due(&self, begun: Instant) -> u64 {
        let nanos = u128::from(self.rate) * begun.elapsed().as_nanos() / 1_000_000_000;
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX))
}
