//! `cargo xtask sim`: lives lives, and prints those that fail.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use onair_sim::{Found, failed_seeds, hunt, live, replay_trace, without};
use serde_json::json;

/// Lives lives of the session core
#[derive(Parser)]
struct Arguments {
    /// Seconds to go on for
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Live only the life of the seed, and print what happens
    #[arg(long)]
    replay: bool,
    /// Replay a trace of `onairctl debug trace`, and print what happened
    #[arg(long, conflicts_with_all = ["replay", "without"])]
    trace: Option<PathBuf>,
    /// Leave out these deeds of its plan
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Lines of a trace that are printed.
const LINES: usize = 120;
/// Lives that fail before the hunt ends.
const MOST: usize = 5;

fn main() -> ExitCode {
    // A hostile client's process may panic; what counts is in the report.
    std::panic::set_hook(Box::new(|_| ()));
    let arguments = Arguments::parse();
    if let Some(path) = &arguments.trace {
        return trace(path);
    }
    if arguments.replay {
        return replay(&arguments);
    }
    let begun = Instant::now();
    let limit = Duration::from_secs(arguments.seconds);
    let mut told = begun;
    let (mut lives, mut events, mut found) = (0_u64, 0_u64, Vec::new());
    for seed in failed_seeds().chain(arguments.seed..) {
        if begun.elapsed() >= limit || found.len() >= MOST {
            break;
        }
        let (steps, fails) = hunt(seed);
        lives += 1;
        events += steps;
        if let Some(fails) = fails {
            print(&fails);
            found.push(fails);
        }
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            eprintln!("{}", line(lives, events, begun.elapsed(), found.len()));
        }
    }
    let took = begun.elapsed();
    if arguments.json {
        let failed = found.iter().map(|it| {
            json!({ "seed": it.seed, "without": it.without, "violation": it.report.violations.first() })
        });
        let result = json!({
            "lives": lives,
            "events": events,
            "seconds": took.as_secs_f64(),
            "failed": failed.collect::<Vec<_>>(),
        });
        println!("{result:#}");
    } else {
        println!("{}", line(lives, events, took, found.len()));
    }
    ExitCode::from(u8::from(!found.is_empty()))
}

fn line(lives: u64, events: u64, took: Duration, failed: usize) -> String {
    let rate = u128::from(events) * 1000 / took.as_millis().max(1);
    let seconds = took.as_secs();
    format!("{seconds} s: {lives} lives, {events} events, {rate} events/s, {failed} failed")
}

fn command(found: &Found) -> String {
    let mut command = format!("cargo xtask sim --replay --seed {}", found.seed);
    if !found.without.is_empty() {
        let places: Vec<String> = found.without.iter().map(usize::to_string).collect();
        command += &format!(" --without {}", places.join(","));
    }
    command
}

fn print(found: &Found) {
    let trace = &found.report.trace;
    for line in trace.iter().skip(trace.len().saturating_sub(LINES)) {
        eprintln!("{line}");
    }
    let violation = found.report.violations.first();
    eprintln!(
        "seed {}: {}\n    {}",
        found.seed,
        violation.map_or("", String::as_str),
        command(found)
    );
}

fn replay(arguments: &Arguments) -> ExitCode {
    let plan = without(arguments.seed, &arguments.without);
    let report = live(&plan, true);
    println!("{plan:#?}");
    report.trace.iter().for_each(|line| println!("{line}"));
    report
        .violations
        .iter()
        .for_each(|it| println!("violation: {it}"));
    println!("{} events", report.events);
    ExitCode::from(u8::from(!report.violations.is_empty()))
}

fn trace(path: &Path) -> ExitCode {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return ExitCode::from(2);
        }
    };
    match replay_trace(&text, |line| println!("{line}")) {
        Ok(it) => {
            println!(
                "{} sessions, {} events: the same {} effects",
                it.sessions, it.events, it.effects
            );
            ExitCode::SUCCESS
        }
        Err(difference) => {
            println!("different: {difference}");
            ExitCode::FAILURE
        }
    }
}
