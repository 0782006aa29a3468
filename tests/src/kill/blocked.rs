//! Who is blocked, by three who do not know each other: the daemon, `onair-waiters`, and `/proc`.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use onair_api::{BlockerKind, Witness};
use onair_stage::{Actor, Deadline, Stage, blocked, wait_for};
use serde_json::Value;

use crate::kill::TIMEOUT_S;
use onair_stage::Control;
use onair_stage::program;

/// Threads, by pid and tid.
type Threads = BTreeSet<(u32, u32)>;

/// `onair-waiters`, which lists again and again.
#[derive(Debug)]
pub struct Watchers(Actor);

impl Watchers {
    /// Starts it.
    pub fn start(stage: &Stage) -> Result<Self> {
        let mut command = stage.command(&program("onair-waiters")?);
        command
            .args(["--json", "--observe", "0", "--watch", "0.2"])
            .stderr(Stdio::inherit());
        Ok(Self(Actor::start("onair-waiters", &mut command)?))
    }

    /// Waits until a list of it has exactly `expected` of the processes `pids`. The sources that it
    /// names for them.
    fn wait(&mut self, pids: &[u32], expected: &Threads) -> Result<BTreeSet<String>> {
        let rows = |list: &Value| -> Vec<Value> {
            let of_ours = |row: &&Value| pids.iter().any(|pid| row["pid"] == *pid);
            let waiters = list["waiters"].as_array().into_iter().flatten();
            waiters.filter(of_ours).cloned().collect()
        };
        let list = self.0.wait_line(
            format_args!("{} threads of {pids:?}", expected.len()),
            Deadline::seconds(TIMEOUT_S),
            |list| {
                let seen: Threads = rows(list).iter().filter_map(thread).collect();
                list["waiters"].is_array() && seen == *expected
            },
        )?;
        let sources = rows(&list)
            .iter()
            .filter_map(|row| Some(row["source"].as_str()?.to_owned()))
            .collect();
        Ok(sources)
    }
}

fn thread(row: &Value) -> Option<(u32, u32)> {
    let number = |key: &str| row[key].as_u64()?.try_into().ok();
    Some((number("pid")?, number("tid")?))
}

/// The threads of `pids` that sleep in `futex_waitv`, says `/proc`.
pub fn asleep(pids: &[u32]) -> Result<Threads> {
    let mut all = Threads::new();
    for &pid in pids {
        all.extend(blocked(pid)?.into_iter().map(|tid| (pid, tid)));
    }
    Ok(all)
}

/// Waits until `count` threads of `pids` are asleep, and the kernel's probe in the daemon and
/// `onair-waiters` say the same of `sessions`: exactly those. Gives the sources of the tool.
pub fn three_agree(
    control: &mut Control,
    tool: &mut Watchers,
    sessions: &[&str],
    pids: &[u32],
    count: usize,
) -> Result<BTreeSet<String>> {
    let mut proc = Threads::new();
    wait_for(
        format_args!("{count} threads of {pids:?} to sleep"),
        TIMEOUT_S,
        || {
            proc = asleep(pids)?;
            Ok(proc.len() == count)
        },
    )
    .with_context(|| format!("asleep: {proc:?}"))?;
    let mut daemon = Threads::new();
    wait_for("the daemon to name the sleepers", TIMEOUT_S, || {
        daemon.clear();
        for session in sessions {
            for it in control.blockers(session)?.blockers {
                let by_kernel = it.seen_by.contains(&Witness::W2);
                if let (BlockerKind::Blocked, Some(tid), true) = (it.kind, it.tid, by_kernel) {
                    daemon.insert((it.pid, tid));
                }
            }
        }
        Ok(daemon == proc)
    })
    .with_context(|| format!("the daemon: {daemon:?}; /proc: {proc:?}"))?;
    let sources = tool.wait(pids, &proc)?;
    // All three spoke of the same: no caller came or left meanwhile. (A sleeper wakes once a second.)
    wait_for("them to sleep on", TIMEOUT_S, || Ok(asleep(pids)? == proc))?;
    Ok(sources)
}
