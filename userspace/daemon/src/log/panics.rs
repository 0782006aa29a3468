//! What a panic says, as a line of the log.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::record::line;
use super::writer::Log;
use crate::panic_text;

/// How long a thread that panics waits for its line to be written: a panic that cannot unwind ends the
/// process right after this, and the line would be lost.
const PATIENCE: Duration = Duration::from_millis(20);

/// Panics go into the log from now on.
pub(super) fn install(log: &'static Log) {
    std::panic::set_hook(Box::new(move |panic| {
        let line = said(log, panic);
        // A reader that stalls is not waited for again and again.
        let waits = log.queue.is_idle();
        log.queue.push(line);
        if waits {
            log.queue.wait_idle(Instant::now() + PATIENCE);
        }
    }));
}

fn said(log: &Log, panic: &PanicHookInfo<'_>) -> Vec<u8> {
    let thread = std::thread::current();
    let mut fields = vec![
        ("thread", Value::from(thread.name().unwrap_or("unnamed"))),
        ("panic", panic_text::of(panic.payload()).into()),
    ];
    if let Some(location) = panic.location() {
        fields.push(("location", location.to_string().into()));
    }
    // Only if RUST_BACKTRACE asks for it.
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
