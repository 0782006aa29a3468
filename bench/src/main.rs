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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Error, Result};
use clap::{Parser, Subcommand};
use console::style;
use onair_stage::{Stage, is_interrupted};
use onair_workers::panic_text;

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
    Exit status: 0 when everything was measured that there is, whether or not the targets were met; 3 when a\n\
    property was not measured: the last lines say which and why."
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
    ReceivePath(packets::p6_receive::Path),
    #[command(hide = true)]
    ProbeGetPut(calls::p8_probe::GetPut),
    #[command(hide = true)]
    ProbeSleeper(calls::p8_probe::Blocks),
    #[command(hide = true)]
    Users(load::users::Users),
    #[command(hide = true)]
    FrameConsumer(load::frame_consumer::Consumer),
    #[command(hide = true)]
    FrameTaker(ends::p35_replaced::client::Takes),
    #[command(hide = true)]
    BusyCore(load::busy_core::BusyCore),
    #[command(hide = true)]
    WallMixer(packets::p37_wall::Mixer),
}

impl Command {
    fn run(&self) -> Result<()> {
        match self {
            Self::Rows(rows) => rows.run(),
            Self::StopCallers(role) => role.run(),
            Self::IdleCallers(role) => role.run(),
            Self::ReceivePath(role) => role.run(),
            Self::ProbeGetPut(role) => role.run(),
            Self::ProbeSleeper(role) => role.run(),
            Self::Users(role) => role.run(),
            Self::FrameConsumer(role) => role.run(),
            Self::FrameTaker(role) => role.run(),
            Self::BusyCore(role) => role.run(),
            Self::WallMixer(role) => role.run(),
        }
    }
}

/// Exit status when a property was not measured.
const NOT_MEASURED: u8 = 3;

fn main() -> ExitCode {
    // In a line: what a property of many lacks is no fault of this program.
    std::panic::set_hook(Box::new(|panic| {
        if !is_interrupted() {
            eprintln!("{panic}");
        }
    }));
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Some(command) => command.run().map(|()| vec![]),
        None => run(&arguments),
    };
    match done {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) => {
            eprintln!("not measured:");
            for (id, why) in failures {
                eprintln!("  {id}: {why} (again: cargo xtask bench --only {id})");
            }
            ExitCode::from(NOT_MEASURED)
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A property that was not measured, and why.
type Failure = (&'static str, String);

fn run(arguments: &Arguments) -> Result<Vec<Failure>> {
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
    let (rows, failures) = measure(arguments);
    drop(load);
    if let Some(stage) = stage {
        stage.take_down()?;
    }
    println!("{}", result::document::table(&rows));
    if let Some(path) = &arguments.json {
        Document::new(machine, rows).write(path)?;
    }
    Ok(failures)
}

/// The rows, and what could not be measured.
fn measure(arguments: &Arguments) -> (Vec<Row>, Vec<Failure>) {
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
        let measured = catch_unwind(AssertUnwindSafe(|| measure(&run)))
            .unwrap_or_else(|panic| Err(Error::msg(panic_text::of(&*panic))));
        run.end();
        while is_interrupted() {
            // The thread that takes down what was put up ends this process.
            std::thread::park();
        }
        match measured {
            Ok(measured) => rows.extend(measured.into_iter().map(|mut row| {
                row.detail.load = load.is_finite().then_some(load);
                row
            })),
            Err(error) => {
                eprintln!("{id} was not measured: {error:#}");
                let why = in_a_line(&error);
                rows.push(Row::failed(id, &why));
                failures.push((id, why));
            }
        }
    }
    (rows, failures)
}

/// An error and its causes, the first line of each: some have the end of a log.
fn in_a_line(error: &Error) -> String {
    let causes = error.chain().map(ToString::to_string);
    let lines = causes.filter_map(|it| it.lines().next().map(str::to_owned));
    lines.collect::<Vec<_>>().join(": ")
}
