//! P20: the control thread's processor time for each operation (`schedstat`), beside the operation's
//! wall time. The processor time survives a busy machine; the wall time has all that waits, too. Without and
//! with 1,000 other sessions.
//!
//! An operation is done a few times in a row, between two looks at the clock.

use std::time::Instant;

use anyhow::{Context as _, Result};
use onair::Client;
use onair_api::SpecDocument;
use onair_stage::{Control, Rig, receive, wait_for};

use crate::load::thread_clock::ThreadClock;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig::{self, TINY};
use crate::run::Run;

/// Operations between two looks.
const BATCH: u16 = 16;
const UDP: u16 = 5004;
/// What 1,000 sessions may make of an operation.
const GROWTH: f64 = 1.2;
const OPERATIONS: [&str; 6] = ["create", "GET", "attach", "detach", "stop", "destroy"];

/// What has rows: the others come between.
const SHOWN: [&str; 3] = ["create", "attach", "destroy"];

/// Of one operation: processor of the control thread, and wall time; in µs.
#[derive(Clone, Debug, Default)]
struct Cost {
    processor: Samples,
    wall: Samples,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig::rings_with("[limits]\nsessions = 1024\n")?;
    let done = crowds(&mut rig, run);
    rig.end(done)
}

fn crowds(rig: &mut Rig, run: &Run) -> Result<Vec<Row>> {
    let mut clock = ThreadClock::of(rig.daemon()?.pid(), "control")?;
    let mut control = rig.control()?;
    let client = Client::at(rig.attach_socket());
    let (mut rows, mut alone, mut standing) = (vec![], Vec::<Cost>::new(), 0);
    for others in [0, run.either(1_000, 64)] {
        while standing < others {
            control.create(&tiny(&format!("other{standing}"), UDP + BATCH + standing))?;
            standing += 1;
        }
        let rounds = run.of(40);
        run.case(format!("{others} other sessions"), rounds);
        let mut costs = vec![Cost::default(); OPERATIONS.len()];
        // The first round warms up.
        for round in 0..=rounds {
            let taken = batch(&mut control, &client, &mut clock)?;
            if round > 0 {
                for (cost, (processor, wall)) in costs.iter_mut().zip(taken) {
                    cost.processor.push(processor);
                    cost.wall.push(wall);
                }
            }
            run.step();
        }
        for (at, (name, cost)) in OPERATIONS.into_iter().zip(&costs).enumerate() {
            if !SHOWN.contains(&name) {
                continue;
            }
            let variant = format!("{name}, {others} other sessions");
            let (used, wall) = (&cost.processor, &cost.wall);
            let row = Row::of("P20", variant, "µs of processor", used)
                .pinned("none; the poller on the last core");
            rows.push(match alone.get(at) {
                None => row.beside("its wall time", used, wall).part(),
                Some(alone) => row
                    .beside("without others", used, &alone.processor)
                    .ratio_at_most(GROWTH),
            });
        }
        if alone.is_empty() {
            alone = costs;
        }
    }
    Ok(rows)
}

fn tiny(name: &str, udp: u16) -> SpecDocument {
    SpecDocument {
        quota: Some(1),
        max_attachments: Some(1),
        ..receive(name, TINY, udp)
    }
}

/// Each operation [`BATCH`] times: processor and wall time of one, in µs, in the order of
/// [`OPERATIONS`].
fn batch(
    control: &mut Control,
    client: &Client,
    clock: &mut ThreadClock,
) -> Result<Vec<(f64, f64)>> {
    let names: Vec<_> = (0..BATCH)
        .map(|at| (format!("own{at}"), UDP + at))
        .collect();
    let mut costs = vec![];
    let mut attached = vec![];
    costs.push(timed(clock, || {
        names
            .iter()
            .try_for_each(|(name, udp)| control.create(&tiny(name, *udp)).map(drop))
    })?);
    costs.push(timed(clock, || {
        names
            .iter()
            .try_for_each(|(name, _)| control.show(name).map(drop))
    })?);
    costs.push(timed(clock, || {
        for (name, _) in &names {
            attached.push(client.attach(name)?);
        }
        Ok(())
    })?);
    costs.push(timed(clock, || {
        attached
            .drain(..)
            .try_for_each(|session| session.detach().context("detaching"))
    })?);
    costs.push(timed(clock, || {
        names
            .iter()
            .try_for_each(|(name, _)| control.stop(name).map(drop))
    })?);
    for (name, _) in &names {
        wait_for("the poller's hand-back", 10, || {
            Ok(control.verdict(name)?.destroyable)
        })?;
    }
    costs.push(timed(clock, || {
        names
            .iter()
            .try_for_each(|(name, _)| control.destroy(name).map(drop))
    })?);
    Ok(costs)
}

fn timed(clock: &mut ThreadClock, act: impl FnOnce() -> Result<()>) -> Result<(f64, f64)> {
    clock.lap()?;
    let begin = Instant::now();
    act()?;
    let wall = begin.elapsed().as_secs_f64() * 1e6;
    let count = float(u64::from(BATCH));
    Ok((clock.lap()? / count, wall / count))
}
