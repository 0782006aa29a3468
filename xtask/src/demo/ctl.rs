//! `onairctl`, as an operator would use it: each command line is shown before it is run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::say;

/// `onairctl` for one daemon.
pub(crate) struct Ctl {
    program: PathBuf,
    socket: PathBuf,
}

/// A refusal: exit status other than 0, with the problem document.
pub(crate) struct Refusal(pub(crate) Value);

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
    pub(crate) fn quiet(&self, arguments: &[&str]) -> Result<Value> {
        match self.ask(arguments)? {
            Ok(document) => Ok(document),
            Err(Refusal(problem)) => {
                bail!("`onairctl {}` was refused: {problem}", arguments.join(" "))
            }
        }
    }

    /// Shows the command, runs it and gives the document.
    ///
    /// # Errors
    /// As [`Ctl::quiet`].
    pub(crate) fn tell(&self, arguments: &[&str]) -> Result<Value> {
        say::command(format_args!("onairctl {}", arguments.join(" ")));
        self.quiet(arguments)
    }

    /// Shows the command and what it prints for people. For commands that change nothing.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn show(&self, arguments: &[&str]) -> Result<()> {
        say::command(format_args!("onairctl {}", arguments.join(" ")));
        let done = self.run(arguments, false)?;
        if !done.status.success() {
            bail!("{}", String::from_utf8_lossy(&done.stderr).trim());
        }
        quote(&done.stdout);
        Ok(())
    }

    /// Shows the command, which must be refused, and what it prints for people; gives the problem
    /// document.
    ///
    /// # Errors
    /// When it is not refused.
    pub(crate) fn refused(&self, arguments: &[&str]) -> Result<Value> {
        say::command(format_args!("onairctl {}", arguments.join(" ")));
        match self.ask(arguments)? {
            Err(Refusal(problem)) => {
                // A refusal changes nothing, so it can be had once more in words.
                quote(&self.run(arguments, false)?.stderr);
                Ok(problem)
            }
            Ok(document) => bail!(
                "`onairctl {}` should have been refused, and was done: {document}",
                arguments.join(" ")
            ),
        }
    }

    fn ask(&self, arguments: &[&str]) -> Result<Result<Value, Refusal>> {
        let done = self.run(arguments, true)?;
        let text = String::from_utf8_lossy(&done.stdout);
        let document = serde_json::from_str(&text).with_context(|| {
            format!(
                "`onairctl {}` ({}) printed no JSON: {text}{}",
                arguments.join(" "),
                done.status,
                String::from_utf8_lossy(&done.stderr)
            )
        })?;
        Ok(if done.status.success() {
            Ok(document)
        } else {
            Err(Refusal(document))
        })
    }

    fn run(&self, arguments: &[&str], json: bool) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg("--socket").arg(&self.socket);
        if json {
            command.arg("--json");
        }
        command.args(arguments).output().context("running onairctl")
    }
}

/// What a program has printed, set off from what the demo says.
fn quote(printed: &[u8]) {
    for line in String::from_utf8_lossy(printed).lines() {
        say::note(format_args!("  {line}"));
    }
}
