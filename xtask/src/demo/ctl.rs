//! `onairctl`, as an operator would use it: each command line is shown before it is run.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

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
    pub(crate) fn document(&self, arguments: &[&str]) -> Result<Value> {
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

    /// Shows the command and starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Result<Under> {
        say::command(format_args!("onairctl {} &", arguments.join(" ")));
        let child = self
            .command(arguments, true)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("running onairctl")?;
        Ok(Under {
            child,
            line: arguments.join(" "),
        })
    }

    fn ask(&self, arguments: &[&str]) -> Result<Result<Value, Refusal>> {
        read(&self.run(arguments, true)?, &arguments.join(" "))
    }

    fn run(&self, arguments: &[&str], json: bool) -> Result<Output> {
        self.command(arguments, json)
            .output()
            .context("running onairctl")
    }

    fn command(&self, arguments: &[&str], json: bool) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--socket").arg(&self.socket);
        if json {
            command.arg("--json");
        }
        command.args(arguments);
        command
    }
}

/// A command that is under way.
pub(crate) struct Under {
    child: Child,
    line: String,
}

impl Under {
    /// Waits for its end and gives the document.
    ///
    /// # Errors
    /// When the daemon refuses, or there is no answer.
    pub(crate) fn end(self) -> Result<Value> {
        match read(&self.child.wait_with_output()?, &self.line)? {
            Ok(document) => Ok(document),
            Err(Refusal(problem)) => bail!("`onairctl {}` was refused: {problem}", self.line),
        }
    }
}

fn read(done: &Output, line: &str) -> Result<Result<Value, Refusal>> {
    let text = String::from_utf8_lossy(&done.stdout);
    let document = serde_json::from_str(&text).with_context(|| {
        format!(
            "`onairctl {line}` ({}) printed no JSON: {text}{}",
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

/// What a program has printed, set off from what the demo says.
fn quote(printed: &[u8]) {
    for line in String::from_utf8_lossy(printed).lines() {
        say::note(format_args!("  {line}"));
    }
}
