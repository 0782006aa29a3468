//! `cargo xtask plant`: a plant's first hour, a row for each thing that its engineer does.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::cargo::{Manner, SYSTEM_TESTS, supervised, target, tests_with_programs};
use crate::stamp::{Stamp, processor};
use crate::{clean_up, say, setup};

const ABOUT: &str = "What the engineer of a plant does in the first hour, on ports of each driver, in network namespaces: \
                     what was seen. `cargo xtask plant --results` writes this file: run it again, do not edit it.";

/// Do what a plant's engineer does in the first hour, on AF_PACKET and on AF_XDP
///
/// A host with a daemon, a switch that snoops and queries, a studio with other makers' senders, and a controller, each in a
/// network namespace of its own. Each row makes a new plant, and says what was seen.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask plant                          all rows, some ten minutes
  cargo xtask plant --only services          one row: --only may be given more than once
  cargo xtask plant --results docs/results/plant.json

Exit status: 0 when each row passed, 1 when not, 2 for a wrong command line.")]
pub(crate) struct Arguments {
    /// Only this row; a name that there is not lists all
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// Write what was seen to this file
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::when_missing(setup::Purpose::Test)?;
    clean_up::report(&onair_stage::take_down_leftovers()?);
    let built = tests_with_programs(Manner::InFront, &[SYSTEM_TESTS])?;
    let program = built
        .iter()
        .find(|it| it["target"]["name"] == "onair-plant" && it["executable"].is_string())
        .and_then(|it| it["executable"].as_str())
        .context("cargo made no onair-plant")?;
    let stamp = Stamp::now();
    let seen = target().join("plant.json");
    let done = supervised(program, |command| {
        command.env("RUST_BACKTRACE", "0").arg("--json").arg(&seen);
        for row in &arguments.only {
            command.args(["--only", row]);
        }
    })?;
    if let Some(file) = &arguments.results {
        let text = fs::read(&seen).with_context(|| format!("reading {}", seen.display()))?;
        let page = page(&serde_json::from_slice(&text)?, &stamp);
        fs::write(file, page).with_context(|| format!("writing {}", file.display()))?;
    }
    ensure!(done.status.success(), "the plant failed ({})", done.status);
    say::good("each row passed");
    Ok(())
}

/// The file of a run of `stamp`.
fn page(seen: &Value, stamp: &Stamp) -> String {
    let page = json!({
        "about": ABOUT,
        "run": { "day": stamp.day, "commit": stamp.commit, "processor": processor() },
        "rows": seen["rows"],
    });
    format!("{page:#}\n")
}
