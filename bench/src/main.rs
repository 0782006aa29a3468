//! What `cargo xtask bench` runs: one file a measured property, each figure beside its limit or its
//! peer, taken in turns with it in the same run. Machines are noisy: the ratio is the result, the
//! absolute time is context.
//!
//! No time is asserted here or in a test; a row says whether its target was met.
#![forbid(unsafe_code)]

mod board;
mod control;
mod host;
mod machine;
mod p1_stop;
mod p2_idle;
mod p3_get_put;
mod p7_verdict;
mod place;
mod row;
mod samples;
mod show;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use console::style;

use crate::row::Row;

/// Measures OnAir, each figure beside its limit or its peer in the same run
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo xtask bench                      everything, some minutes\n  \
        cargo xtask bench --quick              everything, fewer samples\n  \
        cargo xtask bench --only P1,P3         two properties\n  \
        cargo xtask bench --json bench.json    with a file for programs\n\n\
        Exit status: 0 when everything was measured, whether or not the targets were met."
)]
struct Arguments {
    /// Only these properties
    #[arg(long, value_delimiter = ',', value_name = "ID", ignore_case = true)]
    only: Vec<Property>,
    /// A tenth of the samples
    #[arg(long)]
    quick: bool,
    /// Writes the rows to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What the bench can measure; the ids are those of the project's performance targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Property {
    /// Stop → the last of N blocked callers has returned
    #[value(name = "P1")]
    Stop,
    /// CPU of a caller blocked on an idle session
    #[value(name = "P2")]
    Idle,
    /// buffer_get + buffer_put, not blocked
    #[value(name = "P3")]
    GetPut,
    /// Last user leaves → verdict → certificate
    #[value(name = "P7")]
    Verdict,
}

impl Property {
    const ALL: [Self; 4] = [Self::Stop, Self::Idle, Self::GetPut, Self::Verdict];

    fn measure(self, effort: Effort) -> Result<Vec<Row>> {
        match self {
            Self::Stop => p1_stop::measure(effort),
            Self::Idle => p2_idle::measure(effort),
            Self::GetPut => p3_get_put::measure(effort),
            Self::Verdict => p7_verdict::measure(effort),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Stop => "P1 stop → the last of N blocked callers has returned",
            Self::Idle => "P2 CPU of a blocked caller",
            Self::GetPut => "P3 get + put, not blocked",
            Self::Verdict => "P7 last user leaves → verdict → certificate",
        }
    }
}

/// How many samples to take.
#[derive(Clone, Copy, Debug)]
struct Effort {
    quick: bool,
}

impl Effort {
    /// `samples`, or a tenth of them.
    fn of(self, samples: usize) -> usize {
        if self.quick {
            samples.div_ceil(10)
        } else {
            samples
        }
    }
}

/// What the bench's own child processes are. Not for people.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    StopCallers(p1_stop::Callers),
    #[command(hide = true)]
    IdleCallers(p2_idle::Callers),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::StopCallers(callers)) => return callers.run(),
        Some(Role::IdleCallers(callers)) => return callers.run(),
        None => {}
    }
    let effort = Effort {
        quick: arguments.quick,
    };
    let machine = machine::line();
    println!("{}", style(&machine).bold());
    if cfg!(debug_assertions) {
        let warning =
            "a debug build: the figures mean nothing (cargo xtask bench builds for release)";
        println!("{}", style(warning).yellow());
    }
    let mut rows = vec![];
    let mut failures = vec![];
    for property in Property::ALL {
        if !arguments.only.is_empty() && !arguments.only.contains(&property) {
            continue;
        }
        eprintln!("{} {}", style("measuring").cyan(), property.title());
        match property.measure(effort) {
            Ok(measured) => rows.extend(measured),
            Err(error) => failures.push(format!("{}: {error:#}", property.title())),
        }
    }
    println!("{}", show::table(&rows));
    if let Some(path) = &arguments.json {
        let document =
            serde_json::json!({ "machine": machine, "quick": effort.quick, "rows": rows });
        std::fs::write(path, format!("{document:#}\n"))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    if !failures.is_empty() {
        bail!("not everything was measured:\n{}", failures.join("\n"));
    }
    Ok(())
}
