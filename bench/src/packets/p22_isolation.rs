//! P22: 30 sessions carry video from port to port over AF_XDP and a veth pair, on one poller, while
//! another one is created and destroyed again and again: packets that the 30 lose. Beside the same 30
//! with nothing else, in turns of the same length.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use onair_api::{Source, SpecDocument};
use onair_stage::{Control, Raster, receive, send, wait_for};

use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;

const SESSIONS: u16 = 30;
/// 30 of it are about half of what a core of two carries (P5).
const RASTER: Raster = Raster::new(640, 360, 30, 8);
const UDP: u16 = 6000;
const TURNS: usize = 5;

/// Of the 30, so far.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    received: f64,
    /// Packets that did not arrive, by sequence number.
    lost: f64,
    /// Frame times that a sender missed.
    missed: f64,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig::cables(|_| {})?;
    let done = rig
        .start_daemon()
        .and_then(|()| rig.control())
        .and_then(|mut control| turns(&mut control, run));
    rig.end(done)
}

/// One part of the measurement: with the other session, or without.
#[derive(Default)]
struct Part {
    rate: Samples,
    lost: f64,
    missed: f64,
}

fn turns(control: &mut Control, run: &Run) -> Result<Vec<Row>> {
    for at in 0..SESSIONS {
        let limited = |spec| SpecDocument {
            quota: Some(1),
            max_attachments: Some(1),
            ..spec
        };
        let (name, udp) = (format!("receive{at}"), UDP + at);
        control.create(&limited(receive(&name, RASTER, udp)))?;
        let name = format!("send{at}");
        control.create(&limited(send(&name, RASTER, udp, Source::Pattern)))?;
    }
    // The first frames of 30 senders come while sessions are still created.
    std::thread::sleep(Duration::from_secs(1));
    let cycles = run.either(1_000, 100) / TURNS;
    run.case("turns", TURNS);
    let (mut with, mut without, mut pace) = (Part::default(), Part::default(), Samples::default());
    for _ in 0..TURNS {
        let begin = Instant::now();
        let before = seen(control)?;
        for _ in 0..cycles {
            cycle(control)?;
        }
        let span = begin.elapsed();
        with.count(before, seen(control)?, begin.elapsed());
        pace.push(float(cycles as u64) / span.as_secs_f64());
        let begin = Instant::now();
        let before = seen(control)?;
        std::thread::sleep(span);
        without.count(before, seen(control)?, begin.elapsed());
        run.step();
    }
    ensure!(without.rate.ranks().median() > 0.0, "nothing came");
    const ALONE: &str = "the same 30, nothing else";
    const WHERE: &str = "the poller on the last core";
    let single = |value| Samples::from_iter([value]);
    let row = |variant: &str, unit, samples: &Samples| {
        let variant = format!("{variant}, 30 sessions, one comes and goes");
        Row::of("P22", variant, unit, samples).pinned(WHERE)
    };
    Ok(vec![
        row("packets lost", "packets", &single(with.lost))
            .limit(ALONE, without.lost)
            .none(),
        row(
            "frame times missed by senders",
            "frames",
            &single(with.missed),
        )
        .limit(ALONE, without.missed)
        .none(),
        row("rate", "kpps", &with.rate)
            .beside(ALONE, &with.rate, &without.rate)
            .ratio_at_least(0.98),
        row("sessions created and destroyed", "a second", &pace).part(),
    ])
}

impl Part {
    fn count(&mut self, before: Seen, after: Seen, span: Duration) {
        let received = after.received - before.received;
        self.rate.push(received / span.as_secs_f64() / 1e3);
        self.lost += after.lost - before.lost;
        self.missed += after.missed - before.missed;
    }
}

/// A session of 1080p from its creation to its certificate.
fn cycle(control: &mut Control) -> Result<()> {
    let raster = Raster::new(1920, 1080, 60, 10);
    let id = control.create(&receive("other", raster, UDP - 1))?.id;
    control.stop(id)?;
    wait_for("the poller's hand-back", 10, || {
        Ok(control.verdict(id)?.destroyable)
    })?;
    control.destroy(id).map(drop)
}

fn seen(control: &mut Control) -> Result<Seen> {
    let mut seen = Seen::default();
    for at in 0..SESSIONS {
        let receiver = control.show(format!("receive{at}"))?.counters;
        seen.received += float(receiver.packets);
        seen.lost += float(receiver.packets_lost);
        seen.missed += float(control.show(format!("send{at}"))?.counters.slots_missed);
    }
    Ok(seen)
}
