//! A process that does as it is told: a line of text in, lines of JSON out.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::Running;
use crate::until::Deadline;

/// The handle on such a process. It is killed when the handle is dropped.
#[derive(Debug)]
pub struct Actor {
    running: Running,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// Read, but not asked for yet.
    unread: VecDeque<Value>,
}

impl Actor {
    /// Starts `command`, which is called `name` in messages. Its stderr goes where ours goes.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {name}: {command:?}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("stdout was asked for")?;
        let running = Running::new(name, child)?;
        let (send, lines) = channel();
        let name = name.to_owned();
        std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                    if send.send(value).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self {
            running,
            stdin,
            lines,
            unread: VecDeque::new(),
        })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The process, to signal it and to wait for its end.
    pub fn running(&mut self) -> &mut Running {
        &mut self.running
    }

    /// Sends it a line.
    pub fn send(&mut self, line: impl Display) -> Result<()> {
        let name = self.running.name().to_owned();
        let stdin = self
            .stdin
            .as_mut()
            .with_context(|| format!("{name}: its stdin is closed"))?;
        writeln!(stdin, "{line}").with_context(|| format!("{name} does not listen any more"))
    }

    /// Closes its stdin: there is nothing more to do.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// The first line, from where the last call left off, for which `wanted` is true. Those before
    /// it are kept for other calls.
    ///
    /// # Errors
    /// When `deadline` passes, or the process has closed its stdout, before there is one: the
    /// message has what was read instead.
    pub fn wait_line(
        &mut self,
        what: impl Display,
        deadline: Deadline,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        if let Some(place) = self.unread.iter().position(&wanted)
            && let Some(line) = self.unread.remove(place)
        {
            return Ok(line);
        }
        loop {
            match self.lines.recv_timeout(deadline.left()) {
                Ok(line) if wanted(&line) => return Ok(line),
                Ok(line) => self.unread.push_back(line),
                Err(reason) => {
                    let why = match reason {
                        RecvTimeoutError::Timeout => format!("not within {:?}", deadline.span()),
                        RecvTimeoutError::Disconnected => "its output has ended".to_owned(),
                    };
                    let unread: Vec<_> = self.unread.iter().map(ToString::to_string).collect();
                    bail!(
                        "{} (pid {}) did not say {what}: {why}; it said {}",
                        self.running.name(),
                        self.pid(),
                        if unread.is_empty() {
                            "nothing".to_owned()
                        } else {
                            unread.join(", ")
                        }
                    );
                }
            }
        }
    }

    /// The first line whose `"event"` is `event`; see [`Actor::wait_line`].
    pub fn event(&mut self, event: &str, deadline: Deadline) -> Result<Value> {
        self.wait_line(format_args!("{event:?}"), deadline, |line| {
            line["event"] == event
        })
    }

    /// Sends a line and gives the next line whose `"answer"` is the line's first word.
    pub fn ask(&mut self, line: impl Display, deadline: Deadline) -> Result<Value> {
        let line = line.to_string();
        self.send(&line)?;
        let word = line
            .split_ascii_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned();
        self.wait_line(format_args!("the answer to `{line}`"), deadline, |said| {
            said["answer"] == word.as_str()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cat() -> Actor {
        Actor::start("cat", &mut Command::new("cat")).unwrap()
    }

    #[test]
    fn actor_lines_out_of_order_then_none_is_lost() {
        let mut cat = cat();
        cat.send(r#"{"event":"one"}"#).unwrap();
        cat.send(r#"{"event":"two"}"#).unwrap();
        assert_eq!(
            cat.event("two", Deadline::seconds(10)).unwrap()["event"],
            "two"
        );
        assert_eq!(
            cat.event("one", Deadline::seconds(10)).unwrap()["event"],
            "one"
        );
    }

    #[test]
    fn actor_ended_then_the_error_has_what_it_said() {
        let mut cat = cat();
        cat.send("not json").unwrap();
        cat.close();
        let error = cat
            .event("one", Deadline::seconds(10))
            .unwrap_err()
            .to_string();
        assert!(error.contains("its output has ended"), "{error}");
        assert!(error.contains("not json"), "{error}");
    }
}
