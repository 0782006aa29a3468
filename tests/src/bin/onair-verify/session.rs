//! Frames of one session, by several threads.

use std::collections::HashSet;
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use onair::{Session, Timeout};
use onair_ipc::sys::{gettid, monotonic_ns};
use onair_tests::errno_name;
use serde_json::json;

use crate::pattern::{is_right, number};
use crate::tell;

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
