//! `cargo xtask sim`: lives of the session core, of the engine, of the state directory and of a session's packets, in one
//! thread on a virtual clock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::cargo::build_simulator;
use crate::stamp::{Stamp, processor};

const ABOUT: &str = "Simulated lives of one run: of the seeds that ever failed, then of new ones. `cargo xtask sim \
                     --results` writes this file: run it again, do not edit it. An event is a choice of the scheduler, \
                     or a deed on the disk. `failed` has each life with a violation, and its seed.";

/// Lives simulated lives of the session core, of the engine, of the state directory and of packets: a seed is a life
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask sim                              a minute of new lives, and all that ever failed
  cargo xtask sim --for 1h --seed 1000000
  cargo xtask sim --disk                       a minute of the state directory only
  cargo xtask sim --wire                       a minute of packets only, among those of a stranger
  cargo xtask sim --engine                     a minute of the daemon's actor only
  cargo xtask sim --replay --seed 77           what happens in one life
  cargo xtask sim --trace cam1.trace           what happened in a daemon's session, once more

Exit status: 0 when no life failed, 1 when one did, or a trace differs.")]
pub(crate) struct Arguments {
    /// How long
    #[arg(long = "for", default_value = "60s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Only lives of the state directory: its disk, and the daemon's deaths
    #[arg(long)]
    disk: bool,
    /// Only lives of a session's packets, among those of a stranger
    #[arg(long, conflicts_with = "disk")]
    wire: bool,
    /// Only lives of the engine: the daemon's actor on a simulated machine
    #[arg(long, conflicts_with_all = ["disk", "wire"])]
    engine: bool,
    /// The first seed; without it, one from the time
    #[arg(long)]
    seed: Option<u64>,
    /// Live one life, and print what happens
    #[arg(long, requires = "seed")]
    replay: bool,
    /// Replay a trace of `onairctl debug trace` of the same version
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Leave out these deeds of its plan
    #[arg(long)]
    without: Option<String>,
    /// Print the result as JSON on standard output
    #[arg(long)]
    json: bool,
    /// Write lives, events and failures to this file, such as docs/results/lives.json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "replay", "trace"])]
    results: Option<PathBuf>,
}

/// A first seed from the time: lives that were not lived before.
fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |it| seed_of(it.as_secs()))
}

/// The first seed of a second since 1970, as far from the next as its lives are many.
pub(crate) const fn seed_of(seconds: u64) -> u64 {
    seconds * 10_000
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut command = Command::new(build_simulator()?);
    command.args(["--seconds", &arguments.time.as_secs().to_string()]);
    let seed = arguments.seed.unwrap_or_else(new_seed);
    command.args(["--seed", &seed.to_string()]);
    command.args(arguments.disk.then_some("--disk"));
    command.args(arguments.wire.then_some("--wire"));
    command.args(arguments.engine.then_some("--engine"));
    command.args(arguments.replay.then_some("--replay"));
    if let Some(trace) = &arguments.trace {
        command.arg("--trace").arg(trace);
    }
    command.args(arguments.json.then_some("--json"));
    if let Some(without) = &arguments.without {
        command.args(["--without", without]);
    }
    if let Some(file) = &arguments.results {
        return write_results(command, file, seed, arguments.time);
    }
    let status = command.status().context("running onair-sim")?;
    ensure!(status.success(), "a life failed, or a trace differs");
    Ok(())
}

/// Runs `command`, whose first new seed is `seed`, and writes the file of results.
fn write_results(mut command: Command, file: &Path, seed: u64, time: Duration) -> Result<()> {
    let stamp = Stamp::now();
    let output = command
        .arg("--json")
        .stderr(Stdio::inherit())
        .output()
        .context("running onair-sim")?;
    let said = serde_json::from_slice(&output.stdout).context("what onair-sim printed")?;
    fs::write(file, page(&said, seed, time.as_secs(), &stamp))
        .with_context(|| format!("writing {}", file.display()))?;
    ensure!(output.status.success(), "a life failed: {}", file.display());
    Ok(())
}

/// The file of a run of `stamp`, whose first new seed was `seed`; `said` is the simulator's own JSON.
fn page(said: &Value, seed: u64, seconds: u64, stamp: &Stamp) -> String {
    let rows: Vec<Value> = said
        .as_array()
        .into_iter()
        .flatten()
        .map(|kind| {
            json!({
                "of": kind["kind"],
                "lives": kind["lives"],
                "events": kind["events"],
                "seconds": kind["seconds"],
                "failed": kind["failed"],
            })
        })
        .collect();
    let page = json!({
        "about": ABOUT,
        "command": format!("cargo xtask sim --for {seconds}s --seed {seed} --results docs/results/lives.json"),
        "run": { "day": stamp.day, "commit": stamp.commit, "processor": processor(), "seed": seed },
        "rows": rows,
    });
    format!("{page:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_of_a_run_then_has_its_stamp_and_its_failed_lives() {
        let stamp = Stamp {
            day: "2026-11-26".to_owned(),
            commit: "0123456789ab".to_owned(),
        };
        let said = json!([
            { "kind": "core", "lives": 7, "events": 900, "seconds": 1.5, "failed": [{ "seed": 44 }], "deaths": {} },
            { "kind": "disk", "lives": 3, "events": 20, "seconds": 0.5, "failed": [], "deaths": {} },
        ]);
        let page: Value = serde_json::from_str(&page(&said, 40, 60, &stamp)).expect("JSON");
        assert_eq!(page["run"]["commit"], "0123456789ab");
        assert_eq!(page["run"]["seed"], 40);
        assert_eq!(page["rows"][0]["failed"][0]["seed"], 44);
        assert_eq!(page["rows"][1]["lives"], 3);
    }
}
