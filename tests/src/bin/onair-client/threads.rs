//! Commands for threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Result, bail};
use onair::{Error, Session, Timeout};
use onair_ipc::sys::{gettid, monotonic_ns};
use onair_tests::{Seen, errno_name};
use serde_json::{Value, json};

use super::{Reply, TestClient, say};

/// What the threads share with the commands.
#[derive(Clone, Default)]
pub(crate) struct Crowd {
    /// One for each thread of `count-stops`.
    counts: Arc<Mutex<Vec<Arc<AtomicU64>>>>,
    /// Frames that the threads of `watch` have taken.
    taken: Arc<AtomicU64>,
}

impl TestClient {
    pub(crate) fn thread_command(&mut self, word: &str, rest: &str) -> Result<Reply> {
        let session = self.session()?.clone();
        let crowd = self.crowd.clone();
        Ok(Ok(match word {
            "block" => many(rest, move || block(&session))?,
            "count-stops" => many(rest, move || count_stops(&session, &crowd))?,
            "counts" => {
                let counts = crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
                let counts: Vec<_> = counts
                    .iter()
                    .map(|count| count.load(Ordering::Relaxed))
                    .collect();
                json!({ "counts": counts })
            }
            "watch" => {
                let frames = rest.parse()?;
                many("1", move || watch(&session, frames, &crowd.taken))?
            }
            "idle" => idle(rest.parse()?)?,
            "watch-on" => many("1", move || watch_on(&session, &crowd.taken))?,
            "taken" => json!({ "frames": crowd.taken.load(Ordering::Relaxed) }),
            "exit-holding" => {
                let number = thread::spawn(move || {
                    let buffer = session.buffer_get(Timeout::millis(10_000))?;
                    let number = buffer.number();
                    std::mem::forget(buffer);
                    Ok::<_, Error>(number)
                })
                .join();
                match number {
                    Ok(Ok(number)) => json!({ "number": number }),
                    Ok(Err(error)) => return Ok(Err(error)),
                    Err(_) => bail!("the thread panicked"),
                }
            }
            _ => bail!("no such command for threads"),
        }))
    }
}

/// Starts `count` threads that sleep until the process ends.
fn idle(count: u32) -> Result<Value> {
    for _ in 0..count {
        thread::Builder::new().stack_size(16 << 10).spawn(|| {
            loop {
                thread::park();
            }
        })?;
    }
    Ok(Value::Null)
}

/// Starts `count` threads and gives their tids.
fn many(count: &str, work: impl Fn() + Clone + Send + 'static) -> Result<Value> {
    let count: usize = count.parse()?;
    let (told, tids) = channel();
    for _ in 0..count {
        let (work, told) = (work.clone(), told.clone());
        thread::Builder::new()
            .name("test_client".into())
            .spawn(move || {
                // There is no thread to tell only when the main thread has ended, and then all ends.
                let _ = told.send(gettid());
                drop(told);
                work();
            })?;
    }
    drop(told);
    Ok(json!({ "tids": tids.iter().collect::<Vec<_>>() }))
}

pub(crate) fn block(session: &Session) {
    loop {
        if let Err(error) = session.buffer_get(Timeout::NEVER) {
            let at = monotonic_ns();
            say::event(
                "returned",
                json!({ "tid": gettid(), "result": errno_name(&error), "monotonic_ns": at }),
            );
            return;
        }
    }
}

fn count_stops(session: &Session, crowd: &Crowd) {
    let count = Arc::new(AtomicU64::new(0));
    crowd
        .counts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Arc::clone(&count));
    loop {
        match session.buffer_get(Timeout::NEVER) {
            Ok(_) => {}
            Err(Error::Stopped) => {
                count.fetch_add(1, Ordering::Relaxed);
                // Not wait_started: whoever watches this thread from outside takes a sleep in
                // futex_waitv for one in buffer_get.
                while session.is_stopped() {
                    thread::yield_now();
                }
            }
            Err(_) => return,
        }
    }
}

/// Takes every frame, and waits the stops out, until the session ends.
fn watch_on(session: &Session, taken: &AtomicU64) {
    let mut frames = Vec::new();
    let end = loop {
        match session.buffer_get(Timeout::NEVER) {
            Ok(buffer) => {
                frames.push(Seen::of(&buffer));
                drop(buffer);
                taken.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Stopped) => {
                if let Err(error) = session.wait_started(Timeout::NEVER) {
                    break errno_name(&error);
                }
            }
            Err(error) => break errno_name(&error),
        }
    };
    say::event("watched", json!({ "end": end, "frames": frames }));
}

fn watch(session: &Session, count: usize, taken: &AtomicU64) {
    let mut frames = Vec::new();
    let mut end = "all".to_owned();
    while frames.len() < count {
        match session.buffer_get(Timeout::NEVER) {
            Ok(buffer) => {
                frames.push(Seen::of(&buffer));
                drop(buffer);
                taken.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                end = errno_name(&error);
                break;
            }
        }
    }
    say::event("watched", json!({ "end": end, "frames": frames }));
}
