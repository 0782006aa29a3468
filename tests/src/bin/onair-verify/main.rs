//! An application as the demo needs one: several threads take frames of the built-in pattern and
//! check the number and the checksum in each.
//!
//! `onair-verify ATTACH_SOCKET SESSION THREADS` writes a line of JSON for each `event`: `ready`;
//! `progress` four times a second; `returned` with the thread, the result and the time when a call
//! returned an error, after which the thread ends. Told `count` on stdin it answers with its
//! counts. It ends when stdin does and all its threads have ended.
//!
//! `onair-verify ATTACH_SOCKET GROUP group` takes the units of a group in step, with one thread; it ends when stdin does.
#![forbid(unsafe_code)]

mod pattern;
mod programme;
mod session;

use std::io::BufRead as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Client, Session};
use serde_json::Value;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| {
        arguments
            .next()
            .with_context(|| format!("give {what}: onair-verify ATTACH_SOCKET SESSION THREADS"))
    };
    let (socket, name) = (next("the attach socket")?, next("a session or group")?);
    match &*next("a number of threads")? {
        "group" => programme::run(Client::at(socket).attach_group(&name)?, &orders()),
        threads => session::run(
            &Session::attach(socket, &name)?,
            threads.parse()?,
            &orders(),
        ),
    }
}

/// Lines on stdin, until its end.
fn orders() -> Receiver<String> {
    let (line, lines) = channel();
    std::thread::spawn(move || {
        for text in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line.send(text).is_err() {
                break;
            }
        }
    });
    lines
}

/// Tells the counts four times a second, and when asked, until stdin ends.
fn tell(orders: &Receiver<String>, counts: impl Fn() -> Value) {
    let say = |kind: &str, name: &str| {
        let mut counts = counts();
        counts[kind] = name.into();
        println!("{counts}");
    };
    loop {
        match orders.recv_timeout(Duration::from_millis(250)) {
            Ok(_) => say("answer", "count"),
            Err(RecvTimeoutError::Timeout) => say("event", "progress"),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
}
