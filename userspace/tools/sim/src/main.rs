//! `cargo xtask sim`: lives lives, and prints those that fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use onair_sim::{Found, Kind, failed_seeds, hunt, leaked, reached, replay, replay_trace};
use serde_json::{Value, json};

/// Lives lives of the session core, of the state directory, of the engine, and of a session's packets
#[derive(Parser)]
struct Arguments {
    /// Seconds to go on for: a quarter of them for the state directory, one for the engine, an eighth for packets
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Live so many lives of each kind but the engine, without those that ever failed, however long it takes
    #[arg(long)]
    lives: Option<usize>,
    /// End at the first life that fails, and do not look for a shorter one
    #[arg(long)]
    first: bool,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only lives of the state directory
    #[arg(long)]
    disk: bool,
    /// Only lives of the session core
    #[arg(long, conflicts_with = "disk")]
    core: bool,
    /// Only lives of a session's packets, among those of a stranger
    #[arg(long, conflicts_with_all = ["disk", "core"])]
    wire: bool,
    /// Only lives of the engine
    #[arg(long, conflicts_with_all = ["disk", "core", "wire"])]
    engine: bool,
    /// Live only the life of the seed, and print what happens
    #[arg(long)]
    replay: bool,
    /// Replay a trace of `onairctl debug trace`, and print what happened
    #[arg(long, conflicts_with_all = ["replay", "without"])]
    trace: Option<PathBuf>,
    /// Leave out these deeds of its plan
    #[arg(long, value_delimiter = ',')]
    without: Vec<usize>,
    /// Print no progress
    #[arg(long)]
    quiet: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The kind of the only lives.
    const fn only(&self) -> Option<Kind> {
        match (self.disk, self.wire, self.core, self.engine) {
            (true, ..) => Some(Kind::Disk),
            (_, true, ..) => Some(Kind::Wire),
            (_, _, true, _) => Some(Kind::Core),
            (.., true) => Some(Kind::Engine),
            _ => None,
        }
    }
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
    if let Some(path) = &arguments.trace {
        return trace(path);
    }
    if arguments.replay {
        return replay_one(&arguments);
    }
    let limit = match arguments.lives {
        Some(_) => Duration::MAX,
        None => Duration::from_secs(arguments.seconds),
    };
    let shares = match arguments.only() {
        Some(kind) => vec![(kind, limit)],
        None => vec![
            (Kind::Disk, limit / 4),
            (Kind::Engine, limit / 4),
            (Kind::Wire, limit / 8),
            (Kind::Core, limit - limit / 2 - limit / 8),
        ],
    };
    let leaks = leaked() > MOST_LEAKED;
    let mut hunts = Vec::new();
    for (kind, limit) in shares {
        let mut hunted = Hunted::new(kind);
        hunted.go_on(&arguments, limit);
        if !arguments.json {
            println!("{}", hunted.line());
            if kind == Kind::Core {
                println!("{}", hunted.deaths());
            }
        }
        hunts.push(hunted);
    }
    if arguments.json {
        let all: Vec<_> = hunts.iter().map(Hunted::json).collect();
        println!("{:#}", Value::from(all));
    }
    if leaks {
        eprintln!("memory is left after a life");
    }
    let fails = leaks || hunts.iter().any(|it| !it.found.is_empty());
    ExitCode::from(u8::from(fails))
}

/// Lives of one kind.
struct Hunted {
    kind: Kind,
    begun: Instant,
    took: Duration,
    lives: u64,
    events: u64,
    /// Events of the longest life, and its seed.
    longest: (u64, u64),
    found: Vec<Found>,
    /// Deaths at each label.
    deaths: BTreeMap<&'static str, u64>,
}

impl Hunted {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            begun: Instant::now(),
            took: Duration::ZERO,
            lives: 0,
            events: 0,
            longest: (0, 0),
            found: Vec::new(),
            deaths: BTreeMap::new(),
        }
    }

    fn go_on(&mut self, arguments: &Arguments, limit: Duration) {
        let mut told = self.begun;
        let most = if arguments.first { 1 } else { MOST };
        let known = failed_seeds(self.kind).filter(|_| arguments.lives.is_none());
        let seeds = known.chain(arguments.seed..);
        let lives = arguments.lives.unwrap_or(usize::MAX);
        let lives = match (self.kind, arguments.only()) {
            // Each is as long as some thirty of others.
            (Kind::Engine, None) => lives / 10,
            _ => lives,
        };
        for seed in seeds.take(lives) {
            self.took = self.begun.elapsed();
            if self.took >= limit || self.found.len() >= most {
                return;
            }
            let (report, fails) = hunt(self.kind, seed, !arguments.first);
            self.lives += 1;
            self.events += report.events;
            self.longest = self.longest.max((report.events, seed));
            if let Some(label) = report.died_at {
                *self.deaths.entry(label).or_default() += 1;
            }
            if let Some(fails) = fails {
                print(&fails);
                self.found.push(fails);
            }
            if !arguments.quiet && told.elapsed() >= Duration::from_secs(5) {
                told = Instant::now();
                eprintln!("{}", self.line());
            }
        }
        self.took = self.begun.elapsed();
    }

    fn line(&self) -> String {
        let rate = u128::from(self.events) * 1000 / self.took.as_millis().max(1);
        format!(
            "{:?}: {} s: {} lives, {} events ({} in seed {}), {rate} events/s, {} failed",
            self.kind,
            self.took.as_secs(),
            self.lives,
            self.events,
            self.longest.0,
            self.longest.1,
            self.found.len()
        )
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

    fn json(&self) -> Value {
        let failed = self.found.iter().map(|it| {
            json!({ "seed": it.seed, "without": it.without, "violation": it.report.violations.first() })
        });
        json!({
            "kind": format!("{:?}", self.kind).to_lowercase(),
            "lives": self.lives,
            "events": self.events,
            "seconds": self.took.as_secs_f64(),
            "failed": failed.collect::<Vec<_>>(),
            "deaths": self.deaths,
        })
    }
}

fn command(found: &Found) -> String {
    let kind = match found.kind {
        Kind::Disk => " --disk",
        Kind::Engine => " --engine",
        Kind::Wire => " --wire",
        Kind::Core => "",
    };
    let mut command = format!("cargo xtask sim{kind} --replay --seed {}", found.seed);
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

fn replay_one(arguments: &Arguments) -> ExitCode {
    let kind = arguments.only().unwrap_or(Kind::Core);
    let (plan, report) = replay(kind, arguments.seed, &arguments.without, true);
    println!("{plan}");
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
