//! What was accepted is on disk: 64 producers, and an end at any moment, by SIGTERM and by SIGKILL.
//!
//! `ONAIR_STORM_ROUNDS=50` and `ONAIR_KILL9_ROUNDS=50` for that many moments.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::RecordingEnd;
use onair_record::{Manifest, Repaired, repair};
use onair_tests::storm::{Storm, Wanted, captures, check, numbers};
use onair_tests::{Dice, Stage, output};
use rustix::process::Signal;

/// So many moments, unless the environment says otherwise.
fn rounds(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable}={text}")),
        Err(_) => Ok(default),
    }
}

/// The packets of a file, as capinfos counts them.
fn packets_by_capinfos(file: &Path) -> Result<u64> {
    let said = output(
        "capinfos",
        &["-r", "-T", "-m", "-c", "-M", &file.to_string_lossy()],
    )?;
    let count = said.trim().rsplit(',').next().context("no count")?;
    count
        .trim_matches('"')
        .parse()
        .with_context(|| said.clone())
}

fn packets_by_tshark(file: &Path) -> Result<u64> {
    let said = output(
        "tshark",
        &[
            "-n",
            "-r",
            &file.to_string_lossy(),
            "-T",
            "fields",
            "-e",
            "frame.number",
        ],
    )?;
    Ok(said.lines().count() as u64)
}

#[test]
fn recorder_of_64_producers_ended_at_any_moment_then_no_loss() -> Result<()> {
    let stage = Stage::open("storm")?;
    let mut dice = Dice::new(5);
    let mut written = 0;
    for round in 0..rounds("ONAIR_STORM_ROUNDS", 3)? {
        let folder = stage.directory().join(format!("round{round}"));
        let mut wanted = Wanted::new(&folder);
        if round % 3 == 1 {
            wanted.split_size = Some(8 << 20);
        }
        let mut storm = Storm::start(&wanted, &[])?;
        storm.ready()?;
        // Any moment will do: this is no waiting for something.
        let moment = Duration::from_micros(dice.roll(600_000));
        std::thread::sleep(moment);
        storm.signal(Signal::TERM)?;
        let outcome = storm.outcome()?;
        ensure!(outcome.is_clean, "round {round}");
        // A recorder that takes nothing loses nothing.
        ensure!(
            outcome.totals.arrived > 0,
            "round {round}: nothing was offered"
        );
        written += outcome.totals.written;
        check(&folder, &outcome).with_context(|| format!("round {round}, after {moment:?}"))?;
        ensure!(outcome.manifest.cause == Some(RecordingEnd::Shutdown));
        for file in &outcome.manifest.files {
            let path = folder.join(&file.name);
            ensure!(packets_by_capinfos(&path)? == file.events, "{path:?}");
            if round == 0 {
                ensure!(packets_by_tshark(&path)? == file.events, "{path:?}");
            }
        }
        println!(
            "round {round}: after {moment:?}, {} arrived, {} written, dropped {:?}, {} files, {} µs",
            outcome.totals.arrived,
            outcome.totals.written,
            outcome.totals.dropped,
            outcome.manifest.files.len(),
            outcome.us
        );
        std::fs::remove_dir_all(&folder)?;
    }
    ensure!(written > 0, "no round recorded anything");
    stage.take_down()
}

/// Repairs `folder`, in which one recording was cut off; `None` if that had not begun.
fn repaired(folder: &Path) -> Result<Option<Manifest>> {
    let mut found = repair(folder)?;
    let manifest = match found.pop() {
        Some(Repaired::Repaired(manifest)) => *manifest,
        None | Some(Repaired::Freed(_)) => return Ok(None),
        Some(other) => anyhow::bail!("{other:?}"),
    };
    ensure!(found.is_empty(), "{found:?}");
    ensure!(
        repair(folder)?.is_empty(),
        "a second repair finds something"
    );
    ensure!(manifest.cause == Some(RecordingEnd::Killed));
    ensure!(
        manifest.totals.balance() && manifest.totals.pending == 0,
        "{manifest:?}"
    );
    let sums = manifest.files.iter().map(|file| {
        let sum = file.sha256.as_deref().unwrap_or("none");
        format!("{sum}  {}\n", folder.join(&file.name).display())
    });
    let list = folder.join("sums");
    std::fs::write(&list, sums.collect::<String>())?;
    output(
        "sha256sum",
        &["--check", "--strict", &list.to_string_lossy()],
    )?;
    Ok(Some(manifest))
}

#[test]
fn recording_killed_at_any_moment_then_repaired_and_true() -> Result<()> {
    let stage = Stage::open("kill9")?;
    let mut dice = Dice::new(9);
    let mut most = 0;
    for round in 0..rounds("ONAIR_KILL9_ROUNDS", 4)? {
        let folder = stage.directory().join(format!("round{round}"));
        let mut wanted = Wanted::new(&folder);
        if round % 2 == 1 {
            wanted.split_size = Some(4 << 20);
        }
        let mut storm = Storm::start(&wanted, &[])?;
        if round % 8 != 7 {
            storm.ready()?;
        }
        std::thread::sleep(Duration::from_micros(dice.roll(1_500_000)));
        storm.kill()?;
        let Some(manifest) = repaired(&folder)? else {
            println!("round {round}: it had not begun");
            continue;
        };
        let captures = captures(&folder, &manifest)?;
        // In order, each once, and each gap is where it says.
        let found: u64 = numbers(&captures)?.values().map(|it| it.len() as u64).sum();
        ensure!(
            found == manifest.totals.written,
            "{found}, {:?}",
            manifest.totals
        );
        for file in &manifest.files {
            ensure!(packets_by_capinfos(&folder.join(&file.name))? == file.events);
        }
        most = most.max(found);
        let says = manifest.repair.context("no repair")?.says;
        println!("round {round}: {says}");
        std::fs::remove_dir_all(&folder)?;
    }
    ensure!(most > 0, "no round recorded anything");
    stage.take_down()
}
