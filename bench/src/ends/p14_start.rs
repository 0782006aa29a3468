//! P14: the daemon starts → it is ready (sd_notify), beside the requirement.

use std::time::Instant;

use anyhow::Result;
use onair_stage::{Deadline, Rig};

use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::rig;
use crate::run::Run;

const LIMIT_MS: f64 = 1_000.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rounds = run.either(8, 3);
    run.case("start", 2 * rounds);
    let rings = starts("two ring ports, plain pages", rig::rings()?, rounds, run)?;
    let cables = rig::cables(|_| {})?;
    let cables = starts("two AF_XDP ports, hugepages", cables, rounds, run)?;
    Ok(vec![rings, cables])
}

fn starts(variant: &str, mut rig: Rig, rounds: usize, run: &Run) -> Result<Row> {
    let all = (|| -> Result<Samples> {
        let mut times = Samples::default();
        for _ in 0..rounds {
            if let Ok(daemon) = rig.take_daemon() {
                daemon.stop(Deadline::seconds(30))?;
            }
            let begin = Instant::now();
            rig.start_daemon()?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            run.step();
        }
        Ok(times)
    })();
    let times = rig.end(all)?;
    Ok(Row::of("P14", variant, "ms", &times)
        .limit("requirement: 1 s", LIMIT_MS)
        .pinned("none; the poller on the last core")
        .target("< 1 s", |row| row.max.is_some_and(|most| most < LIMIT_MS)))
}
