//! A client process that does as a test says: the program `onair-client`.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::actor::Actor;
use crate::daemon::config::Config;
use crate::machine::oracle::{blocked, children, threads};
use crate::process::Running;
use crate::programs::program;
use crate::stage::Stage;
use crate::until::{Deadline, until};

/// How long any answer of a test_client may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The handle on such a process. It is killed when dropped. What can be said to it stands in the
/// documentation of `src/bin/onair-client.rs`.
#[derive(Debug)]
pub struct TestClient {
    actor: Actor,
}

impl TestClient {
    /// Starts one that is connected to the daemon on `stage`.
    pub fn start(stage: &Stage) -> Result<Self> {
        Self::start_as(stage, &program("onair-client")?)
    }

    /// As [`TestClient::start`], with another program than the one that was built: a copy of it.
    pub fn start_as(stage: &Stage, program: &Path) -> Result<Self> {
        Self::spawn(stage, stage.command(program))
    }

    /// As [`TestClient::start_as`], with the command's own settings, such as the user that it runs as.
    pub fn spawn(stage: &Stage, mut command: Command) -> Result<Self> {
        command.arg(Config::attach_socket(stage));
        Self::of(&mut command)
    }

    /// Starts one with a command of one's own.
    pub fn of(command: &mut Command) -> Result<Self> {
        Ok(Self {
            actor: Actor::start("onair-client", command)?,
        })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.actor.pid()
    }

    /// The process, to signal it and to wait for its end.
    pub fn running(&mut self) -> &mut Running {
        self.actor.running()
    }

    /// Says `line` and gives the answer, which may be an error that the client library returned.
    pub fn ask(&mut self, line: impl Display) -> Result<Value> {
        self.actor.ask(line, Deadline::after(TIMEOUT))
    }

    /// Says `line` and waits for no answer: [`TestClient::answer`] does.
    pub fn send(&mut self, line: impl Display) -> Result<()> {
        self.actor.send(line)
    }

    /// Waits for the answer to what was told with [`TestClient::send`]; `word` is its first word.
    pub fn answer(&mut self, word: &str) -> Result<Value> {
        self.actor.wait_line(
            format_args!("the answer to `{word}`"),
            Deadline::after(TIMEOUT),
            |line| line["answer"] == word,
        )
    }

    /// Says `line`, and gives the name of the error that the library returned: empty for none.
    pub fn errno(&mut self, line: impl Display) -> Result<String> {
        let answer = self.ask(line)?;
        Ok(answer["error"]["errno"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Stops the whole process with SIGSTOP, and waits until it stands.
    pub fn freeze(&mut self) -> Result<()> {
        freeze(self.actor.running())
    }

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) -> Result<()> {
        self.actor.running().signal(Signal::CONT)
    }

    /// Says `line`, which must succeed.
    pub fn say(&mut self, line: impl Display) -> Result<Value> {
        let line = line.to_string();
        let answer = self.ask(&line)?;
        ensure!(
            answer["error"].is_null(),
            "`{line}` failed: {}",
            answer["error"]
        );
        Ok(answer)
    }

    /// Waits for the next line with this `"event"`.
    pub fn event(&mut self, event: &str) -> Result<Value> {
        self.actor.event(event, Deadline::after(TIMEOUT))
    }

    /// Says `line`, which starts threads or ends some; their tids.
    pub fn tids(&mut self, line: impl Display) -> Result<BTreeSet<u32>> {
        tids(&self.say(line)?)
    }

    /// Starts `count` threads that each call `buffer_get` without a time-out until it returns an
    /// error, and gives their tids once the kernel says that all of them sleep.
    pub fn block(&mut self, count: usize) -> Result<BTreeSet<u32>> {
        let tids = self.tids(format_args!("block {count}"))?;
        ensure!(tids.len() == count, "{count} were asked for: {tids:?}");
        self.asleep(&tids)?;
        Ok(tids)
    }

    /// Waits until `count` of its threads sleep in a call of the library; their tids.
    pub fn blocked(&self, count: usize) -> Result<BTreeSet<u32>> {
        let what = format!("{count} threads of process {} to block", self.pid());
        until(what, Deadline::after(TIMEOUT), || {
            let tids = blocked(self.pid())?;
            Ok((tids.len() == count).then_some(tids))
        })
    }

    /// Waits until all of these threads sleep in a call of the library.
    pub fn asleep(&self, tids: &BTreeSet<u32>) -> Result<()> {
        let what = "all threads to sleep in futex_waitv";
        until(what, Deadline::after(TIMEOUT), || {
            Ok(blocked(self.pid())?.is_superset(tids).then_some(()))
        })
    }

    /// Waits until `count` threads have told that their call returned the error `errno`; their tids.
    pub fn all_returned(&mut self, count: usize, errno: &str) -> Result<BTreeSet<u32>> {
        let all = self.returned(count)?;
        ensure!(
            all.iter().all(|(_, it)| it == errno),
            "not {errno}: {all:?}"
        );
        Ok(all.into_iter().map(|(tid, _)| tid).collect())
    }

    /// Waits until `count` threads have told what their call returned; by tid.
    pub fn returned(&mut self, count: usize) -> Result<Vec<(u32, String)>> {
        (0..count)
            .map(|_| {
                let event = self.event("returned")?;
                let tid = event["tid"]
                    .as_u64()
                    .and_then(|tid| tid.try_into().ok())
                    .context("tid")?;
                let result = event["result"].as_str().context("result")?.to_owned();
                Ok((tid, result))
            })
            .collect()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.actor.running().kill().map(drop)
    }

    /// Lets it end by itself, and gives what is left to read of its exit.
    pub fn leave(mut self) -> Result<std::process::ExitStatus> {
        self.actor.close();
        self.actor.running().wait(Deadline::after(TIMEOUT))
    }
}

/// The thread ids in an answer.
pub fn tids(answer: &Value) -> Result<BTreeSet<u32>> {
    serde_json::from_value(answer["tids"].clone()).context("tids")
}

/// Stops a process with SIGSTOP, and waits until all of its threads stand.
pub fn freeze(process: &mut Running) -> Result<()> {
    process.signal(Signal::STOP)?;
    let pid = process.pid();
    until(
        format_args!("process {pid} to stand still"),
        Deadline::after(TIMEOUT),
        || {
            for tid in threads(pid)? {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat"))?;
                if !stat.contains(") T ") {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        },
    )
}

/// The one child of a program that runs another one in a namespace.
///
/// # Errors
/// It has none after 20 seconds, or several.
pub fn only_child(pid: u32) -> Result<u32> {
    until("it to fork", Deadline::seconds(20), || {
        let all = children(pid)?;
        ensure!(all.len() < 2, "process {pid} has children {all:?}");
        Ok(all.first().copied())
    })
}
