//! P14: the daemon starts → it is ready (sd_notify), beside the requirement; and the parts of that, by its log.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result};
use onair_stage::{Deadline, Rig, wait_for};

use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::rig;
use crate::run::Run;

const LIMIT_MS: f64 = 1_000.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rounds = run.either(8, 3);
    run.case("start", 2 * rounds);
    let mut rows = starts("two ring ports, plain pages", rig::rings()?, rounds, run)?;
    let cables = rig::cables(|_| {})?;
    rows.extend(starts("two AF_XDP ports, hugepages", cables, rounds, run)?);
    Ok(rows)
}

/// Times of the parts, by name.
type Parts = BTreeMap<String, Samples>;

fn starts(variant: &str, mut rig: Rig, rounds: usize, run: &Run) -> Result<Vec<Row>> {
    let all = (|| -> Result<(Samples, Parts)> {
        let (mut times, mut parts) = (Samples::default(), Parts::new());
        for _ in 0..rounds {
            if let Ok(daemon) = rig.take_daemon() {
                daemon.stop(Deadline::seconds(30))?;
            }
            let begin = Instant::now();
            rig.start_daemon()?;
            times.push(begin.elapsed().as_secs_f64() * 1e3);
            for (part, ms) in parts_of(&mut rig)? {
                parts.entry(part).or_default().push(ms);
            }
            run.step();
        }
        Ok((times, parts))
    })();
    let (times, parts) = rig.end(all)?;
    let whole = Row::of("P14", variant, "ms", &times)
        .limit("requirement: 1 s", LIMIT_MS)
        .pinned("none; the poller on the last core")
        .target("< 1 s", |row| row.max.is_some_and(|most| most < LIMIT_MS));
    let part = |(name, ms): (&String, &Samples)| {
        Row::of("P14", format!("{variant}: {name}"), "ms", ms).part()
    };
    Ok(std::iter::once(whole)
        .chain(parts.iter().map(part))
        .collect())
}

/// What the daemon's log says of its start: `NAME_ms=NUMBER`, some beside each other.
fn parts_of(rig: &mut Rig) -> Result<Vec<(String, f64)>> {
    let daemon = rig.daemon()?;
    let is_it = |line: &&str| line.contains(" total_ms=");
    wait_for("the times of the start", 20, || {
        Ok(daemon.log().lines().any(|line| is_it(&line)))
    })?;
    let log = daemon.log();
    let line = log.lines().rfind(is_it).context("it was there")?;
    let fields = line
        .split_whitespace()
        .filter_map(|it| it.split_once("_ms="));
    fields
        .map(|(name, ms)| Ok((name.to_owned(), ms.parse()?)))
        .collect()
}
