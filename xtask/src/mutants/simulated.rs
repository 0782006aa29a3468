//! `cargo xtask mutants --sim`: which faults of the gate, the session, the shutdown and the engine the simulator finds
//! by itself, in lives of fixed seeds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use onair_stage::{Deadline, Running};
use serde::Serialize;
use serde_json::Value;

use super::build::simulator;
use super::case::MutantResult;
use crate::cargo::root;
use crate::say;

/// How long the lives with one mutant may take.
const BOUND: Duration = Duration::from_secs(300);
/// The crates that the simulator runs, and the lives that run them: those of the core, and of the engine.
const CRATES: [(&str, &[Kind]); 3] = [
    ("userspace/gate/ipc/src", &[Kind::Core]),
    ("userspace/gate/session/src", &[Kind::Core, Kind::Engine]),
    ("userspace/daemon/engine/src", &[Kind::Engine]),
];
/// A life of the engine is as long as so many of the core.
const ENGINE: u64 = 3;

/// What a life is of.
#[derive(Clone, Copy)]
enum Kind {
    Core,
    Engine,
}

const LOOM: &str = "the fence is there under loom only: on x86-64 the exchange beside it is one";
const PAST: &str = "orders reads before a later write: a life never reads what is written later";
const REAL: &str = "concerns the kernel itself: memory, signals and processes are simulated";
const ONCE: &str = "a ledger is dropped as soon as it is credited";
const ITSELF: &str = "only a client that writes the word itself gains, against itself";
const EXCHANGED: &str = "an exchange follows on each path, and is a fence";
const UNIQUE: &str = "no later gate has its value, and a claim shows what the last owner saw";
const PLAIN: &str = "what clients write into their own frames is in memory at once, in each life";
const RESCANNED: &str = "a later look finds the same: the destroy only comes later";
const MEASURED: &str = "a measurement of a stream, which lives do not judge";
const TIME: &str = "the control thread's own time stands still in a life";
const FULL: &str = "no life fills a queue of commands";
const EVENTS: &str = "lives do not look for this event";
const AWAKE: &str = "no caller sleeps in lives of the engine: all their calls return at once";
const UNRECORDED: &str = "a simulated recorder keeps no files: no recording outlives its daemon";
const AMID_ASKING: &str =
    "bytes of a frame come between two steps of a caller that asks for them: sim/tests/schedules";
const LATE_PIN: &str = "a weak memory, and a frame that is pinned between the barrier of a leave and its look at the slots";

/// What no life can show, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("barrier: no heavy fence", LOOM),
    ("put: no fence before the kick", LOOM),
    ("progress: no fence after it is stored", LOOM),
    ("event count: no fence after it moves", LOOM),
    ("event count: no fence after a caller joins", LOOM),
    ("evict: swapped relaxed", PAST),
    ("pin: cleared relaxed", PAST),
    ("pin: read relaxed", PAST),
    ("slots: the acknowledgement relaxed", PAST),
    ("guardian: memory of its own", REAL),
    ("guardian: files of its own", REAL),
    ("guardian: does not wait for the daemon's death", REAL),
    ("guardian: any signal ends it", REAL),
    ("signals: without SA_RESTART", REAL),
    (
        "takeover: what clients keep is not left to the next daemon",
        REAL,
    ),
    ("memory: pinned pages are not counted", REAL),
    ("fresh: what a filler leaves is used again", REAL),
    ("files: no seal is asked for", REAL),
    ("fork: a child joins its parent's thread", REAL),
    ("stop: allocates", REAL),
    ("death: a process is credited twice", ONCE),
    ("slot: the shared one takes an acknowledgement", ITSELF),
    ("slot: the acknowledgement of an old claim stays", UNIQUE),
    ("pin: no light fence after it is cleared", EXCHANGED),
    ("stop: users of the last run count", RESCANNED),
    ("fill: told relaxed", PLAIN),
    ("fill: read relaxed", PLAIN),
    ("lamp: one look is a fault", MEASURED),
    ("lamp: one pause is a fault", MEASURED),
    ("lamp: a late host is a jump", MEASURED),
    ("lamp: a look between two counts misses a unit", MEASURED),
    ("lamp: a late host misses units", MEASURED),
    ("control: a task does not rest", TIME),
    ("control: rests for the host's absence", TIME),
    ("control: tasks have no budget", TIME),
    ("control: messages have no budget", TIME),
    ("outbox: a full queue holds other pollers", FULL),
    ("shutdown: clients get no draining event", EVENTS),
    ("stop: wakes as many as the client says", AWAKE),
    ("recorder: it goes on with another session", UNRECORDED),
];

/// What a life could show, and the first 1,500 need not, and why.
const MISSED: &[(&str, &str)] = &[
    (
        "drain: ends of threads are not made up for",
        "a caller comes late to a session without users, and dies before it has acknowledged",
    ),
    (
        "gates: read relaxed",
        "a weak memory, and a caller that is refused before it sleeps or fences",
    ),
    ("leave: relaxed", LATE_PIN),
    ("slots: relaxed", LATE_PIN),
    (
        "take: the intent is noted before the look",
        "a head of the ring that goes back to a frame that its thread has passed on, and then dies",
    ),
    ("wanted: written over in silence", AMID_ASKING),
    ("open: no look after it asked", AMID_ASKING),
    (
        "wanted: no fence after it is written",
        "a weak memory, and a caller that leaves another's wish in place as bytes come",
    ),
    (
        "leave: wakes before the session's gate is replaced",
        "another thread starts and a third enters, between two steps of a leave: sim/tests/schedules",
    ),
];

/// What became of one mutant.
#[derive(Serialize)]
struct Row {
    name: String,
    outcome: MutantResult,
    /// Until it was caught.
    lives: u64,
    events: u64,
    /// What a life showed; of a mutant that survived, why.
    because: String,
}

/// Each `mutant!("name"` in the Rust files of `folder`.
pub(super) fn names(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            names(&path, found)?;
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path)?;
            let uses = text.split("mutant!(").skip(1);
            found.extend(uses.filter_map(|rest| {
                let name = rest.trim_start().strip_prefix('"')?;
                Some(name.split('"').next()?.to_owned())
            }));
        }
    }
    Ok(())
}

/// The names in the crates, with the lives that run them.
fn all() -> Result<BTreeMap<String, &'static [Kind]>> {
    let mut all = BTreeMap::new();
    for (folder, kinds) in CRATES {
        let mut found = Vec::new();
        names(&root().join(folder), &mut found)?;
        all.extend(found.into_iter().map(|it| (it, kinds)));
    }
    Ok(all)
}

/// Lives `lives` lives of the core, or fewer of the engine, with each mutant that has one of `filters` in its name.
pub(super) fn run(filters: &[String], lives: u64, json: bool) -> Result<()> {
    let wanted = |name: &String| filters.is_empty() || filters.iter().any(|it| name.contains(it));
    let program = simulator()?;
    for kind in [Kind::Core, Kind::Engine] {
        let sound = live(&program, None, kind, lives)?;
        if sound.outcome != MutantResult::Survived {
            bail!("a life without a mutant fails: {}", sound.because);
        }
    }
    let mut rows = Vec::new();
    for (name, kinds) in all()?.iter().filter(|(name, _)| wanted(name)) {
        let mut row = live(&program, Some(name), kinds[0], lives)?;
        for kind in &kinds[1..] {
            if row.outcome == MutantResult::Survived {
                row = live(&program, Some(name), *kind, lives)?;
            }
        }
        let line = format!(
            "{}: {name} ({} lives): {}",
            row.outcome, row.lives, row.because
        );
        match row.outcome {
            MutantResult::Caught | MutantResult::Hung => say::good(line),
            MutantResult::Survived | MutantResult::Unproven => say::note(line),
        }
        rows.push(row);
    }
    summarize(&rows, lives, json)
}

fn live(program: &Path, mutant: Option<&str>, kind: Kind, lives: u64) -> Result<Row> {
    let mut command = Command::new(program);
    let (kind, lives) = match kind {
        Kind::Core => ("--core", lives),
        Kind::Engine => ("--engine", lives / ENGINE),
    };
    command
        .args([kind, "--first", "--json", "--lives", &lives.to_string()])
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    match mutant {
        Some(name) => command.env("ONAIR_MUTANT", name),
        None => command.env_remove("ONAIR_MUTANT"),
    };
    let mut child = command.spawn().context("running onair-sim")?;
    let output = child.stdout.take().context("its output")?;
    let mut running = Running::new("the lives", child)?;
    let status = running.wait(Deadline::after(BOUND));
    let is_hung = status.is_err();
    drop(running);
    let said: Value = serde_json::from_reader(output).unwrap_or_default();
    let kinds = said.as_array().map_or(&[][..], Vec::as_slice);
    let mut violations = kinds.iter().map(|it| &it["failed"][0]["violation"]);
    let violation = violations.find_map(Value::as_str);
    let total = |name: &str| kinds.iter().filter_map(|it| it[name].as_u64()).sum();
    let name = mutant.unwrap_or_default();
    let reason = UNSEEN.iter().chain(MISSED).find(|it| it.0 == name);
    let reason = reason.map(|it| it.1);
    let (outcome, because) = match (status, violation) {
        (Ok(status), None) if status.success() => {
            (MutantResult::Survived, reason.unwrap_or("no life shows it"))
        }
        (_, Some(violation)) => (MutantResult::Caught, violation),
        _ if is_hung => (MutantResult::Hung, "a life does not end"),
        _ => (MutantResult::Caught, "the simulator dies"),
    };
    Ok(Row {
        name: name.to_owned(),
        outcome,
        lives: total("lives"),
        events: total("events"),
        because: because.chars().take(120).collect(),
    })
}

fn summarize(rows: &[Row], lives: u64, json: bool) -> Result<()> {
    let is_caught = |row: &&Row| matches!(row.outcome, MutantResult::Caught | MutantResult::Hung);
    let caught = rows.iter().filter(is_caught).count();
    if json {
        let about = "Mutants of the gate, the session, the shutdown and the engine that the simulator finds by itself: \
                     the first lives of fixed seeds, without the seeds that ever failed. Written by the command.";
        let result = serde_json::json!({
            "about": about,
            "command": format!("cargo xtask mutants --sim --lives {lives} --json"),
            "mutants": rows.len(),
            "caught": caught,
            "rows": rows,
        });
        println!("{result:#}");
    }
    say::step("Summary");
    say::note(format_args!("{} mutants: {caught} caught", rows.len()));
    let is_unseen = |name: &str| UNSEEN.iter().any(|it| it.0 == name);
    let is_missed = |name: &str| MISSED.iter().any(|it| it.0 == name);
    let wrong: Vec<_> = rows
        .iter()
        .filter(|row| is_caught(row) && is_unseen(&row.name))
        .map(|row| row.name.as_str())
        .collect();
    if !wrong.is_empty() {
        bail!(
            "said to be out of sight, and yet caught: {}",
            wrong.join("; ")
        );
    }
    let missed = rows
        .iter()
        .filter(|row| !is_caught(row) && !is_unseen(&row.name) && !is_missed(&row.name));
    let missed: Vec<_> = missed.map(|row| row.name.as_str()).collect();
    if !missed.is_empty() {
        bail!("no life shows: {}", missed.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_out_of_sight_then_each_is_in_the_code() {
        let found = all().expect("sources");
        for (name, _) in UNSEEN.iter().chain(MISSED) {
            assert!(found.contains_key(*name), "{name}");
        }
    }
}
