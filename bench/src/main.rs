//! What `cargo xtask bench` runs: one file a measured property, each figure beside its limit or its
//! peer, taken in turns with it in the same run. Machines are noisy: the ratio is the result, the
//! absolute time is context.
//!
//! No time is asserted here or in a test; a row says whether its target was met.
#![forbid(unsafe_code)]

mod artefact;
mod calls;
mod control;
mod ends;
mod load;
mod packets;
mod place;
mod property;
mod recording;
mod result;
mod rig;
mod run;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use console::style;
use onair_stage::Stage;

use crate::artefact::Rows;
use crate::property::{PROPERTIES, Property};
use crate::result::document::Document;
use crate::result::machine::Machine;
use crate::result::row::Row;
use crate::run::{Length, Run};

/// Measures OnAir, each figure beside its limit or its peer in the same run
#[derive(Parser)]
#[command(
    version,
    bin_name = "cargo xtask bench",
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        cargo xtask bench                      everything, less than 15 minutes\n  \
        cargo xtask bench --quick              everything, fewer samples, less than 4 minutes\n  \
        cargo xtask bench --only P1,P3         two properties\n  \
        cargo xtask bench --only P1 --loaded   beside a busy process on each core\n  \
        cargo xtask bench --json bench.json    with a file for programs: `machine`, `results`\n  \
        cargo xtask bench rows bench.json docs/results/bench.json\n\n\
    Exit status: 0 when everything was measured that there is, whether or not the targets were met."
)]
struct Arguments {
    /// Only these properties
    #[arg(long, value_delimiter = ',', value_name = "ID", ignore_case = true, value_parser = property::ids())]
    only: Vec<String>,
    /// Fewer samples
    #[arg(long)]
    quick: bool,
    /// Ten minutes for each case of the frame latency (P18), for its p99.99
    #[arg(long, conflicts_with = "quick")]
    long: bool,
    /// A process on each core that uses all of it, beside everything that is measured
    #[arg(long)]
    loaded: bool,
    /// Writes the result to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Rows(Rows),
    // What the bench's own child processes are. Not for people.
    #[command(hide = true)]
    StopCallers(calls::p1_stop::Callers),
    #[command(hide = true)]
    IdleCallers(calls::p2_idle::Callers),
    #[command(hide = true)]
    WakeConsumer(calls::p4_wake::Consumer),
    #[command(hide = true)]
    ReceivePath(packets::p6_receive::Path),
    #[command(hide = true)]
    ProbeGetPut(calls::p8_probe::GetPut),
    #[command(hide = true)]
    ProbeSleeper(calls::p8_probe::Blocks),
    #[command(hide = true)]
    StaleCallers(ends::p9b_daemon::Callers),
    #[command(hide = true)]
    Handler(ends::p15_handler::Handler),
    #[command(hide = true)]
    Users(load::users::Users),
    #[command(hide = true)]
    FrameConsumer(load::frame_consumer::Consumer),
    #[command(hide = true)]
    BusyCore(load::busy_core::BusyCore),
}

impl Command {
    fn run(&self) -> Result<()> {
        match self {
            Self::Rows(rows) => rows.run(),
            Self::StopCallers(role) => role.run(),
            Self::IdleCallers(role) => role.run(),
            Self::WakeConsumer(role) => role.run(),
            Self::ReceivePath(role) => role.run(),
            Self::ProbeGetPut(role) => role.run(),
            Self::ProbeSleeper(role) => role.run(),
            Self::StaleCallers(role) => role.run(),
            Self::Handler(role) => role.run(),
            Self::Users(role) => role.run(),
            Self::FrameConsumer(role) => role.run(),
            Self::BusyCore(role) => role.run(),
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(command) = &arguments.command {
        return command.run();
    }
    let machine = Machine {
        loaded: arguments.loaded,
        ..Machine::look(arguments.quick)?
    };
    println!("{}", style(&machine).bold());
    if cfg!(debug_assertions) {
        let warning =
            "a debug build: the figures mean nothing (cargo xtask bench builds for release)";
        println!("{}", style(warning).yellow());
    }
    let stage = arguments.loaded.then(|| Stage::open("bench-load"));
    let stage = stage.transpose()?;
    let load = stage.as_ref().map(load::busy_core::on_each).transpose()?;
    let (rows, failures) = measure(&arguments);
    drop(load);
    if let Some(stage) = stage {
        stage.take_down()?;
    }
    println!("{}", result::show::table(&rows));
    if let Some(path) = &arguments.json {
        Document::new(machine, rows).write(path)?;
    }
    if !failures.is_empty() {
        bail!("not everything was measured:\n{}", failures.join("\n"));
    }
    Ok(())
}

/// The rows, and what could not be measured.
fn measure(arguments: &Arguments) -> (Vec<Row>, Vec<String>) {
    let run = Run::new(match arguments {
        Arguments { quick: true, .. } => Length::Quick,
        Arguments { long: true, .. } => Length::Long,
        _ => Length::Whole,
    });
    let (mut rows, mut failures) = (vec![], vec![]);
    let only = &arguments.only;
    for Property { id, title, measure } in PROPERTIES {
        if !only.is_empty() && !only.iter().any(|it| it.eq_ignore_ascii_case(id)) {
            continue;
        }
        eprintln!("{} {id} {title}", style("measuring").cyan().for_stderr());
        let load = result::machine::load();
        let measured = measure(&run);
        run.end();
        match measured {
            Ok(measured) => rows.extend(measured.into_iter().map(|mut row| {
                row.detail.load = load.is_finite().then_some(load);
                row
            })),
            Err(error) => {
                rows.push(Row::failed(id, &format!("{error:#}")));
                failures.push(format!("{id} {title}: {error:#}"));
            }
        }
    }
    (rows, failures)
}
