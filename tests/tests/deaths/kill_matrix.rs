//! A thousand deaths: clients put to death by SIGKILL at each labelled point of each call, and at
//! any instant, beside well-behaved clients that must not notice.
//!
//! `ONAIR_KILL_ROUNDS=10` goes through the matrix so many times; `ONAIR_KILL_SEED=N` repeats a run,
//! as far as the scheduler allows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use onair_tests::kill::{
    Death, End, Ground, GroundResult, Killer, Point, Watchers, labels, points, random,
};
use onair_tests::{Dice, Footprint, Rig, program as program_file};

/// Deaths at each point in a run.
const DEATHS_AT_A_POINT: usize = 10;
/// Deaths at any instant, for each kind of victim.
const RANDOM_DEATHS: usize = 40;
/// Deaths between two reckonings. A certificate lists no more than 200 of the dead.
const BATCH: usize = 180;
/// Victims at a time.
const LANES: usize = 6;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for last in (1..items.len()).rev() {
        items.swap(last, dice.below(last + 1));
    }
}

/// Puts one victim to death at each of `points`, several at a time.
fn deaths(
    rig: &Rig,
    points: &[&Point],
    first: usize,
    seed: u64,
    failed: &AtomicBool,
) -> Result<Vec<Death>> {
    let fill = Mutex::new(());
    let next = Mutex::new(0..points.len());
    let deaths = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let lane = || {
            let mut killer = Killer::new(rig, &fill)?;
            while !failed.load(Ordering::SeqCst) {
                let turn = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(turn) = turn else { break };
                let number = first + turn;
                let mut dice =
                    Dice::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(number as u64) | 1);
                let death = killer
                    .kill(points[turn], number, &mut dice)
                    .with_context(|| format!("death {number}, at {:?}", points[turn].name))
                    .inspect_err(|_| failed.store(true, Ordering::SeqCst))?;
                deaths
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(death);
            }
            Ok::<_, anyhow::Error>(())
        };
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            lane.join().map_err(|_| anyhow!("a lane panicked"))??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    Ok(deaths.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One ground with its deaths and its reckoning.
fn batch(
    rig: &Rig,
    tool: &mut Watchers,
    points: &[&Point],
    first: usize,
    seed: u64,
) -> Result<(Vec<Death>, GroundResult)> {
    let mut control = rig.control()?;
    let ground = Ground::open(rig, &mut control)?;
    let (ends, failed) = (AtomicBool::new(false), AtomicBool::new(false));
    let (dead, live) = thread::scope(|scope| {
        let disturbing = scope.spawn(|| {
            Ground::disturb(rig, &ends).inspect_err(|_| failed.store(true, Ordering::SeqCst))
        });
        let dead = deaths(rig, points, first, seed, &failed);
        ends.store(true, Ordering::SeqCst);
        let disturbed = disturbing
            .join()
            .map_err(|_| anyhow!("a thread panicked"))?;
        let live = disturbed?;
        Ok::<_, anyhow::Error>((dead?, live))
    })?;
    let outcome = ground.close(
        rig,
        &mut control,
        tool,
        (dead.clone(), live),
        first + points.len(),
    )?;
    Ok((dead, outcome))
}

/// Labels and mutants are only in the victim program.
fn only_in_the_victim() -> Result<()> {
    let contains = |program: &str, label: &str| -> Result<bool> {
        let bytes = std::fs::read(program_file(program)?)?;
        let windows = &mut bytes.windows(label.len());
        Ok(windows.any(|window| window == label.as_bytes()))
    };
    for label in ["take.intended", "wait.before_sleep", "leave.frames_gone"] {
        ensure!(
            contains("onair-victim", label)?,
            "the victim has no {label}"
        );
        for program in ["onaird", "onair-client", "onair-verify"] {
            ensure!(
                !contains(program, label)?,
                "{program} was built with {label}"
            );
        }
    }
    for program in ["onaird", "onair-client"] {
        ensure!(
            !contains(program, "ONAIR_MUTANT")?,
            "{program} was built with mutants"
        );
    }
    Ok(())
}

#[test]
fn clients_killed_at_each_point_then_no_other_notices_or_leaks() -> Result<()> {
    only_in_the_victim()?;
    let rounds = usize::try_from(setting("ONAIR_KILL_ROUNDS").unwrap_or(1))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let seed = setting("ONAIR_KILL_SEED").unwrap_or(now);
    println!("ONAIR_KILL_SEED={seed}");
    let mut dice = Dice::new(seed | 1);

    let (fixed, random) = (points(&labels()?), random());
    let mut plan: Vec<&Point> = Vec::new();
    for _ in 0..rounds {
        plan.extend(fixed.iter().flat_map(|point| [point; DEATHS_AT_A_POINT]));
        plan.extend(random.iter().flat_map(|point| [point; RANDOM_DEATHS]));
    }
    shuffle(&mut plan, &mut dice);

    let mut rig = Rig::rings()?;
    let daemon = rig.daemon()?.pid();
    let mut tool = Watchers::start(rig.stage())?;
    let began = Instant::now();
    let mut before = None;
    let mut table: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = GroundResult::default();
    let mut killed = 0;
    let mut number = 0;
    // A few deaths first, so that the daemon has opened what it opens once.
    let (warm, rest) = plan.split_at(LANES);
    for points in std::iter::once(warm).chain(rest.chunks(BATCH)) {
        let (dead, outcome) = batch(&rig, &mut tool, points, number, seed)?;
        number += points.len() + 10;
        for point in points {
            *table.entry(&point.name).or_default() += 1;
        }
        ensure!(
            dead.len() == points.len(),
            "{} of {}",
            dead.len(),
            points.len()
        );
        let killed_here = dead.iter().filter(|it| it.end == End::Killed).count();
        killed += killed_here;
        all.frames += outcome.frames;
        all.agreed += outcome.agreed;
        all.by_own_probe += outcome.by_own_probe;
        all.reconciled += outcome.reconciled;
        println!(
            "{:6.1} s: {killed_here} of {} killed, {outcome:?}",
            began.elapsed().as_secs_f64(),
            points.len(),
        );
        match &before {
            None => before = Some(Footprint::of(daemon)?),
            Some(before) => before.wait_regained(daemon)?,
        }
    }
    for (name, deaths) in &table {
        println!("{deaths:5}  {name}");
    }
    println!(
        "{:5}  in all, {killed} of them by SIGKILL before they had left; {all:?}; {:.1} s",
        plan.len(),
        began.elapsed().as_secs_f64()
    );
    ensure!(killed >= 1000 * rounds, "only {killed} died");
    ensure!(
        all.by_own_probe > 0,
        "onair-waiters saw no caller by its own probe"
    );
    rig.stop_daemon()
}
