//! Panics as log lines.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::time::{Duration, Instant};

use onair_workers::panic_text;
use serde_json::Value;

use super::writer::{Log, line};

/// How long a panicking thread waits until its line is written: a panic that cannot unwind ends the
/// process right after, and the line would be lost.
const TIMEOUT: Duration = Duration::from_millis(20);

/// Routes panics into the log.
pub(super) fn install(log: &'static Log) {
    std::panic::set_hook(Box::new(move |panic| {
        let line = panic_line(log, panic);
        // If the reader is stalled, do not wait at every panic.
        let waits = log.queue.is_idle();
        log.queue.push(line);
        if waits {
            log.queue.wait_idle(Instant::now() + TIMEOUT);
        }
    }));
}

fn panic_line(log: &Log, panic: &PanicHookInfo<'_>) -> Vec<u8> {
    let thread = std::thread::current();
    let mut fields = vec![
        ("thread", Value::from(thread.name().unwrap_or("unnamed"))),
        ("panic", panic_text::of(panic.payload()).into()),
    ];
    if let Some(location) = panic.location() {
        fields.push(("location", location.to_string().into()));
    }
    // Captures only if RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        fields.push(("backtrace", backtrace.to_string().into()));
    }
    line(
        log.format,
        "ERROR",
        "onaird::log",
        "a thread panicked",
        &fields,
    )
}
