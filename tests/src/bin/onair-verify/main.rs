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

mod programme;

use std::collections::HashSet;
use std::io::BufRead as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Client, Session, Timeout};
use onair_ipc::sys::{gettid, monotonic_ns};
use onair_tests::errno_name;
use serde_json::{Value, json};

use crate::programme::{is_right, number};

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
        threads => run(
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

#[derive(Default)]
struct Counts {
    numbers: HashSet<u64>,
    verified: u64,
    /// Given with a part missing, and said to be so.
    incomplete: u64,
    wrong: u64,
}

pub(crate) fn run(session: &Session, threads: usize, orders: &Receiver<String>) -> Result<()> {
    let counts = Mutex::new(Counts::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| take(session, &counts));
        }
        println!(
            "{}",
            json!({ "event": "ready", "attachment": session.attachment() })
        );
        tell(orders, || {
            let counts = lock(&counts);
            json!({
                "verified": counts.verified,
                "incomplete": counts.incomplete,
                "wrong": counts.wrong,
            })
        });
    });
    Ok(())
}

fn take(session: &Session, counts: &Mutex<Counts>) {
    loop {
        match session.buffer_get(Timeout::NEVER) {
            Ok(buffer) => {
                let complete = buffer.status().is_complete();
                let right = is_right(&buffer);
                let number = number(&buffer);
                drop(buffer);
                let mut counts = lock(counts);
                let fresh = number.is_some_and(|number| counts.numbers.insert(number));
                match (complete, right && fresh) {
                    (true, true) => counts.verified += 1,
                    (true, false) => counts.wrong += 1,
                    (false, _) => counts.incomplete += 1,
                }
            }
            Err(error) => {
                let at = monotonic_ns();
                println!(
                    "{}",
                    json!({ "event": "returned", "tid": gettid(), "result": errno_name(&error), "monotonic_ns": at })
                );
                return;
            }
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
