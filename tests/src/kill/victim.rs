//! A client process that dies where it was told.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Config, Deadline, Running, Stage, output};
use onair_victim::{Job, Ran, Role, Tally, Trap};
use rustix::process::Signal;

use onair_stage::program;

/// How long a victim may take to come to a point.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running `onair-victim`. It is killed when dropped.
#[derive(Debug)]
pub struct Victim {
    running: Running,
    tally: Tally,
    path: PathBuf,
    sessions: Vec<String>,
    threads: usize,
}

/// How a victim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By SIGKILL.
    Killed,
    /// In order: what it had to do was done.
    Left,
}

/// The labels that the victim's program was built with.
pub fn labels() -> Result<Vec<String>> {
    let list = output(&program("onair-victim")?.to_string_lossy(), &["--labels"])?;
    Ok(list.lines().map(str::to_owned).collect())
}

impl Victim {
    /// Starts one on `stage`; `number` tells it apart from all others there.
    pub fn start(
        stage: &Stage,
        number: usize,
        role: Role,
        sessions: &[&str],
        threads: usize,
        trap: Option<Trap>,
    ) -> Result<Self> {
        let path = stage.directory().join(format!("victim-{number}.tally"));
        let tally = Tally::create(&path)?;
        let sessions: Vec<String> = sessions.iter().map(|&name| name.to_owned()).collect();
        let job = Job {
            socket: Config::attach_socket(stage),
            role,
            sessions: sessions.clone(),
            threads,
            trap,
            tally: path.clone(),
        };
        let child = stage
            .command(&program("onair-victim")?)
            .arg(serde_json::to_string(&job)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting onair-victim")?;
        Ok(Self {
            running: Running::new("onair-victim", child)?,
            tally,
            path,
            sessions,
            threads,
        })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits until its chosen thread stays at the label.
    pub fn stays_at(&mut self, label: &str) -> Result<()> {
        let out = self.running.child().stdout.take().context("stdout")?;
        let (told, line) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            // An end without a line is an empty one.
            let _ = BufReader::new(out).read_line(&mut line);
            told.send(line)
        });
        let line = line
            .recv_timeout(TIMEOUT)
            .with_context(|| format!("it did not come to {label} within {TIMEOUT:?}"))?;
        ensure!(
            line.trim_end() == label,
            "it said {line:?} instead of {label}"
        );
        Ok(())
    }

    /// SIGKILL, from outside. Does not wait.
    pub fn kill(&mut self) -> Result<()> {
        self.running.signal(Signal::KILL)
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> Result<bool> {
        Ok(self.running.ended()?.is_some())
    }

    /// Waits for its end.
    pub fn ended(&mut self, deadline: Deadline) -> Result<End> {
        let status = self.running.wait(deadline)?;
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Ok(End::Killed);
        }
        let mut said = String::new();
        if let Some(mut errors) = self.running.child().stderr.take() {
            errors.read_to_string(&mut said)?;
        }
        ensure!(status.success(), "a victim ended with {status}: {said}");
        Ok(End::Left)
    }

    /// What it did in each of its sessions, once it has ended.
    #[must_use]
    pub fn ran(&self) -> Vec<(String, Ran)> {
        let each = self.sessions.len();
        let sum = |at| self.tally.sum((at..self.threads).step_by(each));
        let names = self.sessions.iter().cloned().enumerate();
        names.map(|(at, name)| (name, sum(at))).collect()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // What cannot be removed goes with the stage's folder.
        let _ = std::fs::remove_file(&self.path);
    }
}
