//! Act 2: the source pauses; the daemon names those who wait, and the kernel confirms it.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, cpu_time, until};
use serde_json::Value;

use super::act1_frames::{Callers, THREADS};
use super::scene::Scene;
use crate::say;

/// How long the CPU time of the blocked threads is watched …
const WATCH: Duration = Duration::from_secs(2);
/// … and how often at most: the kernel may bill a thread for an interrupt that came while it ran. One
/// that polls is never quiet.
const WATCHES: usize = 5;
/// A thread that sleeps uses less than this, in per cent of a core: the library's backstop wakes it
/// once a second.
const IDLE_PERCENT: f64 = 0.05;

/// A thread, by pid and tid.
type Caller = (u32, u32);

pub(crate) fn play(scene: &mut Scene<'_>, callers: &mut Callers) -> Result<()> {
    say::step("Act 2 · blocked: the source has paused, and every caller waits");
    callers.doomed.say("drain")?;
    callers.doomed.say("block 1")?;
    let blocked: BTreeSet<Caller> = [(&callers.verifier, THREADS), (&callers.doomed, 1)]
        .into_iter()
        .map(|(client, count)| {
            let pid = client.pid();
            Ok(client
                .blocked(count)?
                .into_iter()
                .map(move |tid| (pid, tid)))
        })
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    say::good(format_args!(
        "{} threads sleep in futex_waitv, says /proc/PID/task/TID/syscall",
        blocked.len()
    ));
    idle(scene, &blocked)?;
    name(scene, &blocked)
}

/// Measures what each blocked thread costs.
fn idle(scene: &mut Scene<'_>, blocked: &BTreeSet<Caller>) -> Result<()> {
    let used = || {
        blocked
            .iter()
            .map(|&(pid, tid)| cpu_time(pid, tid))
            .collect::<Result<Vec<_>>>()
    };
    let limit = IDLE_PERCENT * f64::from(onair_stage::time_scale());
    let mut percent = f64::INFINITY;
    for _ in 0..WATCHES {
        let begin = Instant::now();
        let before = used()?;
        say::wait("watching their CPU time", |_| sleep(WATCH));
        let after = used()?;
        let used = after.iter().zip(before);
        let most = used
            .map(|(after, before)| after.saturating_sub(before))
            .max()
            .unwrap_or_default();
        percent = 100.0 * most.as_secs_f64() / begin.elapsed().as_secs_f64();
        if percent < limit {
            break;
        }
    }
    scene.report.blocked_cpu_percent = percent;
    ensure!(
        percent < limit,
        "a blocked thread used {percent:.3} % of a core: it should sleep"
    );
    say::good(format_args!("each uses {percent:.2} % of a core"));
    Ok(())
}

/// Asks the daemon for its blocked callers, and compares them with the kernel's.
fn name(scene: &mut Scene<'_>, blocked: &BTreeSet<Caller>) -> Result<()> {
    // Without the probe it is not known whether a thread inside a call sleeps or runs.
    let kind = if scene.watched() { "blocked" } else { "inside" };
    let mut named = BTreeSet::new();
    let mut list = Vec::new();
    let agreed = until(
        "the daemon to name the blocked threads",
        Deadline::seconds(5),
        || {
            let answer = scene.ctl.quiet(&["session", "blockers", "studio"])?;
            list = answer["blockers"].as_array().cloned().unwrap_or_default();
            list.retain(|blocker| blocker["kind"] == kind);
            named = list.iter().map(caller).collect::<Result<_>>()?;
            Ok((named == *blocked).then_some(()))
        },
    );
    scene.report.blocked_callers = list;
    agreed.with_context(|| {
        format!("the daemon names {named:?}, the kernel {blocked:?} (pid, tid)")
    })?;
    scene.ctl.show(&["session", "blockers", "studio"])?;
    say::good("these are exactly the threads that the kernel says are asleep");
    Ok(())
}

fn caller(blocker: &Value) -> Result<Caller> {
    let number = |key: &str| {
        let number = blocker[key]
            .as_u64()
            .with_context(|| format!("no {key} in {blocker}"))?;
        u32::try_from(number).with_context(|| format!("{key} in {blocker}"))
    };
    Ok((number("pid")?, number("tid")?))
}
