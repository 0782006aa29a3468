//! A client process that does as it is told, right or wrong, for the tests and the demo.
//!
//! `onair-client ATTACH_SOCKET` reads a command a line from stdin and answers each with a line of
//! JSON: `answer` is the command's first word; `error` is there when the library returned one
//! (`errno` by name, `message`, `blockers`). What its threads have to tell comes as lines with an
//! `event`. It ends when stdin does, whatever its threads do.
//!
//! Sessions: `attach NAME` (and a pixel format, if given), `fill NAME` (attaches to fill its frames), `create SPEC` (JSON), `use N` (the Nth attached, from 0; the newest is
//! used otherwise), `stop`, `start`, `pulse` (both at once), `is-ending`, `wait-started MS`,
//! `poll MS` (an event), `detach`, `destroy`, `abort`, `drop`.
//!
//! Frames: `get MS` (and give back), `hold N`, `put` (the oldest that is held), `put-again` (the
//! last one that was put), `put-all`, `drain`,
//! `submit N` (frames of the pattern, in a send session),
//! `look` (at the bytes of each that is held), `open LINES` (submits a frame open and fills so many lines), `finish` (the oldest
//! that is open).
//!
//! Threads: `block N` (each waits in `buffer_get` until an error; event `returned`), `count-stops N` (each
//! counts the EAGAINs of its waits; `counts` tells them), `watch N` (one takes N frames; event
//! `watched` with what it saw of each; `taken` tells how many so far), `watch-on` (the same through
//! stops, until the session ends), `exit-holding` (one takes a frame and exits), `exit-inside N` (each is
//! ended by the kernel inside a wait), `exit-taking N` (each inside a call that has taken a frame), `reincarnate TID` (one thread that has this number
//! blocks), `exec-inside PROGRAM` (one becomes another program inside a wait).
//!
//! Processes: `abort-process`, `segv`, `eat MEGABYTES`, `heap` (bytes of its heap that are in use), `fork` (event `forked`: how the calls of the child went,
//! which lives on), `run N PROGRAM` (one after the other).
//!
//! Hostile: `clear-slots`, `doze N`
//! (threads that sleep on all that callers sleep on, 128 times each), `punch FILE N` (a hole
//! as large as the memory file, N times), `canary TOKEN` (answers
//! another's challenge), `exec PROGRAM ARG…`, `riot` (writes random words all over the writable
//! segment until it ends).
//!
//! Started as `onair-client --converter MANNER` by the daemon, in the place of `onair-convert`: see `converter`.
//!
//! Crowding: `connect KIND N PATH` (N connections of KIND `seqpacket` or `stream` that say nothing),
//! `open-connections` (how many of these the daemon has not closed).
#![forbid(unsafe_code)]

mod converter;
mod crowding;
mod dying;
mod frames;
mod hostile;
mod processes;
mod say;
mod sessions;
mod threads;

use std::io::BufRead as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onair::{OwnedOpenBuffer, RawBuffer, Session};
use serde_json::Value;

/// What the test_client has.
struct TestClient {
    socket: PathBuf,
    sessions: Vec<Arc<Session>>,
    /// Position in `sessions` of the one that is used.
    used: usize,
    held: Vec<RawBuffer>,
    last_put: Option<RawBuffer>,
    open: Vec<OwnedOpenBuffer>,
    crowd: threads::Crowd,
    eaten: Vec<Vec<u8>>,
    /// Places that it takes and does not use.
    taken: crowding::Taken,
}

/// A command's result: what goes into the answer, or the library's error.
type Reply = Result<Value, onair::Error>;

impl TestClient {
    fn session(&self) -> Result<&Arc<Session>> {
        self.sessions
            .get(self.used)
            .context("attach to a session first")
    }

    fn handle(&mut self, line: &str) -> Result<Reply> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Ok(match word {
            "attach" | "fill" | "fill-on" | "create" | "use" | "stop" | "start" | "pulse"
            | "is-ending" | "wait-started" | "poll" | "flush" | "detach" | "destroy" | "abort"
            | "drop" => self.session_command(word, rest)?,
            "get" | "hold" | "put" | "put-again" | "put-all" | "drain" | "submit" | "look"
            | "open" | "finish" => self.frame_command(word, rest)?,
            "block" | "count-stops" | "counts" | "watch" | "watch-on" | "idle" | "taken"
            | "exit-holding" => self.thread_command(word, rest)?,
            "exit-inside" | "exit-taking" | "reincarnate" | "exec-inside" => {
                self.dying_command(word, rest)?
            }
            "abort-process" | "segv" | "eat" | "heap" | "fork" | "run" => {
                self.process_command(word, rest)?
            }
            "clear-slots" | "count-me" | "doze" | "punch" | "canary" | "exec" | "riot" => {
                self.hostile_command(word, rest)?
            }
            "connect" | "open-connections" => self.crowding_command(word, rest)?,
            _ => bail!("no such command"),
        })
    }
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let socket = arguments.next().context("give the attach socket")?;
    if socket == "--converter" {
        return converter::run(&arguments.next().context("give a manner")?);
    }
    let mut test_client = TestClient {
        socket: socket.into(),
        sessions: Vec::new(),
        used: 0,
        held: Vec::new(),
        last_put: None,
        open: Vec::new(),
        crowd: threads::Crowd::default(),
        eaten: Vec::new(),
        taken: crowding::Taken::default(),
    };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let outcome = test_client
            .handle(&line)
            .with_context(|| format!("`{line}`"))?;
        say::answer(&line, outcome);
    }
    // Threads may wait for ever: the process ends with all of them inside.
    std::process::exit(0);
}
