//! `cargo xtask sim`: lives lives, and prints those that fail.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use onair_sim::{Found, Report, failed_seeds, hunt, leaked, live, reached, without};
use serde_json::{Value, json};

/// Lives lives of the session core
#[derive(Parser)]
struct Arguments {
    /// Seconds to go on for
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Live so many lives, without those that ever failed, however long it takes
    #[arg(long)]
    lives: Option<usize>,
    /// End at the first life that fails, and do not look for a shorter one
    #[arg(long)]
    first: bool,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Live only the life of the seed, and print what happens
    #[arg(long)]
    replay: bool,
    /// Leave out these deeds of its plan
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Lines of a trace that are printed.
const LINES: usize = 120;
/// Bytes by which the heap may grow: what allocators and threads keep.
const MOST_LEAKED: u64 = 256 << 10;
/// Lives that fail before the hunt ends.
const MOST: usize = 5;

fn main() -> ExitCode {
    // A hostile client's process may panic; what counts is in the report.
    std::panic::set_hook(Box::new(|_| ()));
    let arguments = Arguments::parse();
    if arguments.replay {
        return replay(&arguments);
    }
    let begun = Instant::now();
    let limit = match arguments.lives {
        Some(_) => Duration::MAX,
        None => Duration::from_secs(arguments.seconds),
    };
    let most = if arguments.first { 1 } else { MOST };
    let mut told = begun;
    let mut total = Total {
        leaks: leaked() > MOST_LEAKED,
        ..Total::default()
    };
    let known = failed_seeds().filter(|_| arguments.lives.is_none());
    let seeds = known.chain(arguments.seed..);
    for seed in seeds.take(arguments.lives.unwrap_or(usize::MAX)) {
        if begun.elapsed() >= limit || total.found.len() >= most {
            break;
        }
        let (report, fails) = hunt(seed, !arguments.first);
        total.add(&report);
        if let Some(fails) = fails {
            print(&fails);
            total.found.push(fails);
        }
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            eprintln!("{}", total.line(begun.elapsed()));
        }
    }
    let took = begun.elapsed();
    if arguments.json {
        println!("{:#}", total.json(took));
    } else {
        println!("{}", total.line(took));
        println!("{}", total.deaths());
    }
    if total.leaks {
        eprintln!("memory is left after a life");
    }
    ExitCode::from(u8::from(total.leaks || !total.found.is_empty()))
}

/// What there is of the lives so far.
#[derive(Default)]
struct Total {
    lives: u64,
    events: u64,
    found: Vec<Found>,
    /// Memory is left after a life.
    leaks: bool,
    /// Deaths at each label.
    deaths: BTreeMap<&'static str, u64>,
}

impl Total {
    fn add(&mut self, report: &Report) {
        self.lives += 1;
        self.events += report.events;
        if let Some(label) = report.died_at {
            *self.deaths.entry(label).or_default() += 1;
        }
    }

    fn line(&self, took: Duration) -> String {
        let (lives, events, failed) = (self.lives, self.events, self.found.len());
        let rate = u128::from(events) * 1000 / took.as_millis().max(1);
        let seconds = took.as_secs();
        format!("{seconds} s: {lives} lives, {events} events, {rate} events/s, {failed} failed")
    }

    /// At which labels callers died.
    fn deaths(&self) -> String {
        let never: Vec<_> = reached()
            .filter(|it| !self.deaths.contains_key(it))
            .collect();
        let (died, all) = (self.deaths.len(), reached().count());
        format!(
            "callers died at {died} of {all} labels; not at: {}",
            never.join(", ")
        )
    }

    fn json(&self, took: Duration) -> Value {
        let failed = self.found.iter().map(|it| {
            json!({ "seed": it.seed, "without": it.without, "violation": it.report.violations.first() })
        });
        let leak = json!({ "violation": "memory is left after a life" });
        let failed = failed.chain(self.leaks.then_some(leak));
        json!({
            "lives": self.lives,
            "events": self.events,
            "seconds": took.as_secs_f64(),
            "failed": failed.collect::<Vec<_>>(),
            "deaths": self.deaths,
        })
    }
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
