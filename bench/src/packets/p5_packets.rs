//! P5: packets a second of whole sessions, sent and received on one polling core, beside dpdk-testpmd
//! in the same loop: two ports at the ends of a veth pair, one core, the same NAPI setting.
//!
//! N sessions send the built-in pattern from port `a`, N receive it on port `b`. They are asked for
//! more than the core can do, so it does what it can: that is the rate. What was sent and did not come
//! is lost. Then the largest number of 1080p59.94 sessions of which nothing is lost and no frame time
//! is missed.
//!
//! testpmd, which looks at nothing, and the daemon have the core in turns of a fifth of a second, the
//! other one standing still: the core's own speed drifts by a fifth within seconds.

use onair_stage::OfVideo as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::Source;
use onair_api::operations::ShowMetrics;
use onair_stage::{Control, Deadline, Raster, Rig, receive, send, until, wait_for};

use rustix::process::Signal;

use crate::packets::sender_types;
use crate::packets::testpmd::{self, SETTLE, Testpmd, WINDOW};
use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;

/// `N` sessions of `WIDTH x HEIGHT`, `DEPTH`, at `RATE`: together more than a core can do.
type Case = (u16, u32, u32, u32, &'static str);

const CASES: [Case; 4] = [
    (1, 4096, 2160, 10, "80/1"),
    (4, 1920, 1080, 10, "90/1"),
    (64, 640, 360, 8, "60/1"),
    (256, 320, 180, 8, "58/1"),
];
/// The case that the target is set for.
const AIMED: u16 = 4;
const TESTPMD: &str = "dpdk-testpmd, io, both ways";

/// Packets and bytes at the two ports so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    sent: f64,
    bytes: f64,
    received: f64,
}

/// What came of a case.
struct Saturated {
    /// Thousand packets a second, one for each turn …
    rate: Samples,
    /// … and testpmd's.
    beside: Vec<f64>,
    /// Thousand packets a second that did not come.
    lost: f64,
    /// Bytes of a packet.
    bytes: f64,
}

struct Loop {
    control: Control,
    core: usize,
    windows: usize,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let core = *place::cores()?.last().context("no core")?;
    let mut rig = rig::cables(|config| {
        config.more += "[limits]\nsessions = 1024\n";
    })?;
    let done = rig.start_daemon().and_then(|()| {
        let mut own = Loop {
            control: rig.control()?,
            core,
            windows: run.either(12, 6),
        };
        own.rows(run, &mut rig)
    });
    rig.end(done)
}

impl Loop {
    fn rows(&mut self, run: &Run, rig: &mut Rig) -> Result<Vec<Row>> {
        let few = |case: &&Case| !run.is_quick() || [1, AIMED, 64].contains(&case.0);
        let cases: Vec<_> = CASES.iter().filter(few).collect();
        run.case("sessions", cases.len());
        let (mut rows, mut peer) = (vec![], Samples::default());
        let mut testpmd = Testpmd::start(rig.stage(), self.core, rig.config.hugepages)?;
        for case in cases {
            let Saturated {
                rate,
                beside,
                lost,
                bytes,
            } = self.saturated(case, rig, &mut testpmd)?;
            beside.iter().for_each(|rate| peer.push(*rate));
            let name = format!("N = {} each way, {}x{}", case.0, case.1, case.2);
            let pinned = format!(
                "poller and testpmd on core {}; {bytes:.0} bytes a packet here, {} there",
                self.core,
                testpmd::BYTES
            );
            let beside: Samples = beside.into_iter().collect();
            let row = Row::of("P5", &name, "kpps", &rate)
                .beside(TESTPMD, &rate, &beside)
                .pinned(&pinned)
                .note(format!("{lost:.3} kpps lost"));
            rows.push(row.target("≥ 0.95 ×, none lost", |row| {
                row.ratio_at_least(0.95) && lost == 0.0
            }));
            run.step();
        }
        testpmd.pause(false)?;
        testpmd.quit()?;
        rows.extend(self.largest(run, &peer)?);
        Ok(rows)
    }

    /// A case, in turns with testpmd.
    fn saturated(
        &mut self,
        case: &Case,
        rig: &mut Rig,
        testpmd: &mut Testpmd,
    ) -> Result<Saturated> {
        testpmd.pause(true)?;
        let before = self.seen()?;
        self.begin(case)?;
        std::thread::sleep(WINDOW);
        let (mut rates, mut beside) = (vec![], vec![]);
        let (mut sent, mut spans) = (0.0, 0.0);
        for _ in 0..self.windows {
            rig.daemon()?.running().signal(Signal::STOP)?;
            let its = testpmd.turn();
            // Also when that failed: who stands still cannot be ended.
            rig.daemon()?.running().signal(Signal::CONT)?;
            beside.push(its?);
            std::thread::sleep(SETTLE);
            let (first, begin) = (self.packets()?, Instant::now());
            std::thread::sleep(WINDOW);
            let (last, span) = (self.packets()?, begin.elapsed().as_secs_f64());
            rates.push((last.1 - first.1) / span / 1_000.0);
            sent += last.0 - first.0;
            spans += span;
        }
        let share = sent / spans;
        self.finish(case.0)?;
        let after = self.seen()?;
        let (sent, received) = (after.sent - before.sent, after.received - before.received);
        ensure!(sent > 0.0, "nothing was sent");
        Ok(Saturated {
            rate: rates.into_iter().collect(),
            beside,
            // Of all that was sent from beginning to end, at the rate of the windows.
            lost: (sent - received).max(0.0) / sent * share / 1_000.0,
            bytes: (after.bytes - before.bytes) / sent,
        })
    }

    /// The timing of a 1080p59.94 session of each sender type, and the largest number of sessions that
    /// pass whole.
    fn largest(&mut self, run: &Run, peer: &Samples) -> Result<Vec<Row>> {
        let (mut most, mut packets) = (0, 0.0);
        let ends = sender_types::Ends {
            sender: "a",
            receiver: "b",
            address: "10.77.0.2",
        };
        let mut rows = sender_types::rows("P5", &mut self.control, &ends, run)?;
        run.case("1080p59.94", 6);
        for n in 1..=6 {
            let case = (n, 1920, 1080, 10, "60000/1001");
            let before = self.seen()?;
            self.begin(&case)?;
            // The last session has been created: each of them had at least so much time.
            let begin = Instant::now();
            std::thread::sleep(run.either(4, 2) * Duration::from_secs(1));
            let span = begin.elapsed().as_secs_f64();
            let (_, received) = self.packets()?;
            let (frames, incomplete) = self.finish(n)?;
            let after = self.seen()?;
            let is_whole = after.sent - before.sent == after.received - before.received
                && incomplete == 0.0
                && frames >= (span * 60_000.0 / 1_001.0).floor() - 1.0;
            run.step();
            if !is_whole {
                break;
            }
            most = n;
            packets = (received - before.received) / span / 1_000.0;
        }
        let ours: Samples = Samples::from_iter([f64::from(most)]);
        let each = packets / f64::from(most.max(1));
        let row = Row::of(
            "P5",
            "1080p59.94 each way, none lost or late",
            "sessions",
            &ours,
        )
        .pinned(format!("poller on core {}", self.core));
        let by_rate = peer.ranks().median() / each;
        let row = row.limit("testpmd's rate in such sessions", by_rate);
        rows.push(row.all_whole());
        Ok(rows)
    }

    /// Creates the sessions, the receiving ones first; they run from then on.
    fn begin(&mut self, &(count, width, height, depth, rate): &Case) -> Result<()> {
        let raster = Raster::new(width, height, 60, depth);
        for way in ["receive", "send"] {
            for at in 0..count {
                let (name, udp) = (format!("{way}{at}"), 6000 + at);
                let mut spec = match way {
                    "send" => send(&name, raster, udp, Source::Pattern),
                    _ => receive(&name, raster, udp),
                };
                rate.clone_into(&mut spec.format.video_mut().frame_rate);
                (spec.quota, spec.max_attachments) = (Some(1), Some(1));
                self.control.create(&spec)?;
            }
        }
        Ok(())
    }

    /// Stops and destroys the sessions, the sending ones first. The fewest frames that one of them
    /// sent, and frames that receivers saw incomplete.
    fn finish(&mut self, count: u16) -> Result<(f64, f64)> {
        let (mut fewest, mut incomplete) = (f64::MAX, 0.0);
        for way in ["send", "receive"] {
            let names: Vec<_> = (0..count).map(|at| format!("{way}{at}")).collect();
            for name in &names {
                let counters = self.control.stop(name)?.counters;
                if way == "send" {
                    fewest = fewest.min(float(counters.frames_sent));
                }
                incomplete += float(counters.frames_incomplete);
            }
            // What is on the wire arrives before the receivers stop.
            std::thread::sleep(Duration::from_millis(50));
            for name in &names {
                wait_for("a session destroyed", 20, || {
                    Ok(self.control.try_destroy(name)?.status == 200)
                })?;
            }
        }
        Ok((fewest, incomplete))
    }

    /// Packets that port `a` sent and port `b` received so far, as it is now.
    fn packets(&mut self) -> Result<(f64, f64)> {
        let ports = self.control.health()?.dataplane.ports;
        let port = |name: &str| {
            let port = ports.iter().find(|it| it.name == name);
            port.with_context(|| format!("no port {name}"))
        };
        Ok((float(port("a")?.tx_packets), float(port("b")?.rx_packets)))
    }

    /// The metrics, which the daemon makes once a second: of a time after the call.
    fn seen(&mut self) -> Result<Seen> {
        let before = self.control.call::<ShowMetrics>(&())?;
        let text = until("new metrics", Deadline::seconds(20), || {
            let text = self.control.call::<ShowMetrics>(&())?;
            Ok((text != before).then_some(text))
        })?;
        let of = |name: &str, port: &str| {
            let begin = format!("onair_port_{name}_total{{port=\"{port}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&begin));
            line.and_then(|number| number.parse().ok())
                .with_context(|| format!("no {begin} in the metrics"))
        };
        Ok(Seen {
            sent: of("tx_packets", "a")?,
            bytes: of("tx_bytes", "a")?,
            received: of("rx_packets", "b")?,
        })
    }
}
