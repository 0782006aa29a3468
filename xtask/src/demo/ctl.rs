//! `onairctl`, as an operator would use it: each command line is shown before it is run.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::say;

/// `onairctl` for one daemon. Its lines are words between blanks.
pub(crate) struct Ctl {
    program: PathBuf,
    socket: PathBuf,
}

/// What a command is to say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// With exit status other than 0, and the problem document.
    Refused,
}

impl Ctl {
    pub(crate) fn new(program: &Path, socket: &Path) -> Self {
        Self {
            program: program.to_owned(),
            socket: socket.to_owned(),
        }
    }

    /// Runs it without a word and gives the document.
    ///
    /// # Errors
    /// When the daemon refuses, or there is no answer.
    pub(crate) fn quiet(&self, line: &str) -> Result<Value> {
        read(&self.run(line, true)?, line, Answer::Done)
    }

    /// Shows the command, runs it and gives the document.
    ///
    /// # Errors
    /// As [`Ctl::quiet`].
    pub(crate) fn document(&self, line: &str) -> Result<Value> {
        say::command(format_args!("onairctl {line}"));
        self.quiet(line)
    }

    /// Shows the command and what it prints for people. For commands that change nothing.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn show(&self, line: &str) -> Result<()> {
        say::command(format_args!("onairctl {line}"));
        let done = self.run(line, false)?;
        let error = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{}", error.trim());
        quote(&done.stdout);
        Ok(())
    }

    /// Shows the command, which must be refused, and what it prints for people; gives the problem document.
    ///
    /// # Errors
    /// When it is not refused.
    pub(crate) fn refused(&self, line: &str) -> Result<Value> {
        say::command(format_args!("onairctl {line}"));
        let problem = read(&self.run(line, true)?, line, Answer::Refused)?;
        // A refusal changes nothing, so it can be had once more in words.
        quote(&self.run(line, false)?.stderr);
        Ok(problem)
    }

    /// Shows the command and starts it: [`read`] takes what it answers.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn begin(&self, line: &str) -> Result<Child> {
        say::command(format_args!("onairctl {line} &"));
        let mut command = self.command(line, true);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.stderr(Stdio::piped()).spawn();
        child.context("running onairctl")
    }

    fn run(&self, line: &str, json: bool) -> Result<Output> {
        let done = self.command(line, json).output();
        done.context("running onairctl")
    }

    fn command(&self, line: &str, json: bool) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--socket").arg(&self.socket);
        command.args(json.then_some("--json"));
        command.args(line.split_whitespace());
        command
    }
}

/// The document that `line` has printed, which must be of that kind.
///
/// # Errors
/// It is of the other kind, or none.
pub(crate) fn read(done: &Output, line: &str, wanted: Answer) -> Result<Value> {
    let text = String::from_utf8_lossy(&done.stdout);
    let document: Value = serde_json::from_str(&text).with_context(|| {
        let errors = String::from_utf8_lossy(&done.stderr);
        let status = done.status;
        format!("`onairctl {line}` ({status}) printed no JSON: {text}{errors}")
    })?;
    match (done.status.success(), wanted) {
        (true, Answer::Done) | (false, Answer::Refused) => Ok(document),
        (false, Answer::Done) => bail!("`onairctl {line}` was refused: {document}"),
        (true, Answer::Refused) => {
            bail!("`onairctl {line}` should have been refused, and was done: {document}")
        }
    }
}

/// What a program has printed, set off from what the demo says.
fn quote(printed: &[u8]) {
    for line in String::from_utf8_lossy(printed).lines() {
        say::note(format_args!("  {line}"));
    }
}
