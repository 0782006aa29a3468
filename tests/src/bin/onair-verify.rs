//! An application as the demo needs one: several threads take frames of the built-in pattern and
//! check the number and the checksum in each.
//!
//! `onair-verify ATTACH_SOCKET SESSION THREADS` writes a line of JSON for each `event`: `ready`;
//! `progress` four times a second; `returned` with the thread, the result and the time when a call
//! returned an error, after which the thread ends. Told `count` on stdin it answers with its
//! counts. It ends when stdin does and all its threads have ended.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::io::BufRead as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Session, Timeout};
use onair_ipc::sys::{gettid, monotonic_ns};
use onair_tests::errno_name;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Default)]
struct Counts {
    numbers: HashSet<u64>,
    verified: u64,
    /// Given with a part missing, and said to be so.
    incomplete: u64,
    wrong: u64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| {
        arguments
            .next()
            .with_context(|| format!("give {what}: onair-verify ATTACH_SOCKET SESSION THREADS"))
    };
    let session = Session::attach(next("the attach socket")?, &next("a session")?)?;
    let threads: usize = next("a number of threads")?.parse()?;
    let counts = Mutex::new(Counts::default());

    let (line, lines) = channel();
    std::thread::spawn(move || {
        for text in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line.send(text).is_err() {
                break;
            }
        }
    });
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| take(&session, &counts));
        }
        println!(
            "{}",
            json!({ "event": "ready", "attachment": session.attachment() })
        );
        loop {
            match lines.recv_timeout(Duration::from_millis(250)) {
                Ok(_) => say("answer", "count", &counts),
                Err(RecvTimeoutError::Timeout) => say("event", "progress", &counts),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
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

/// The number in a frame of the pattern: bytes 8 to 16, little endian.
fn number(frame: &[u8]) -> Option<u64> {
    let bytes = frame.strip_prefix(b"ONAIRPAT")?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// Whether the last eight bytes are the hash of all before them.
fn is_right(frame: &[u8]) -> bool {
    frame
        .split_last_chunk()
        .is_some_and(|(picture, hash)| xxh3_64(picture) == u64::from_le_bytes(*hash))
}

fn say(kind: &str, name: &str, counts: &Mutex<Counts>) {
    let counts = lock(counts);
    let Counts {
        verified,
        incomplete,
        wrong,
        ..
    } = *counts;
    println!(
        "{}",
        json!({ kind: name, "verified": verified, "incomplete": incomplete, "wrong": wrong })
    );
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
