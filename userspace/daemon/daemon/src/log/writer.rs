//! The only thread that writes to standard error. It may block on the reader without limit.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use onair_api::Timestamp;
use onair_ipc::sys;
use onair_settings::config::LogFormat;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde_json::{Map, Value, json};

use super::queue::{Line, Queue};

/// Most bytes in the queue; further lines are dropped.
const MOST_BYTES: usize = 1 << 20;
/// How long the process waits for the reader at its end.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The log of this process.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) format: LogFormat,
    pub(super) queue: Arc<Queue>,
}

static LOG: OnceLock<Log> = OnceLock::new();

/// The log, if it is started.
pub(super) fn log() -> Option<&'static Log> {
    LOG.get()
}

/// Starts the thread `log`. Once in a process; a second call does nothing.
pub(super) fn start(format: LogFormat) -> io::Result<&'static Log> {
    if let Some(log) = log() {
        return Ok(log);
    }
    let queue = Arc::new(Queue::new(
        MOST_BYTES,
        match format {
            LogFormat::Text => |count| dropped_line(LogFormat::Text, count),
            LogFormat::Json => |count| dropped_line(LogFormat::Json, count),
        },
    ));
    let own = Arc::clone(&queue);
    std::thread::Builder::new()
        .name("log".into())
        .spawn(move || {
            sys::preempt_at_wake_up(false);
            loop {
                let line = own.next();
                own.wrote(write(io::stderr(), &line).is_err());
            }
        })?;
    Ok(LOG.get_or_init(|| Log { format, queue }))
}

fn dropped_line(format: LogFormat, count: u64) -> Vec<u8> {
    let message = "log lines were dropped: standard error was not read in time";
    let fields = [("lines", Value::from(count))];
    line(format, "WARN", "onaird::log", message, &fields)
}

/// Writes all bytes. Blocks without limit.
fn write(place: impl AsFd, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&place, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            // Another process that shares the open file has made it nonblocking.
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(&place, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Queues a line. Without a writer (in a test, or before the log starts) writes it here.
pub(super) fn say(line: impl Into<Line>, always: bool) {
    let line = line.into();
    match log() {
        Some(log) if always => log.queue.push_always(line),
        Some(log) => log.queue.push(line),
        // A write error cannot be reported.
        None => drop(write(io::stderr(), &line)),
    }
}

/// Waits until all logged lines are written, at most one second. Call before the process ends.
pub fn flush() {
    if let Some(log) = log() {
        log.queue.wait_idle(Instant::now() + TIMEOUT);
    }
}

/// Log lines dropped since the start because standard error was not read.
pub fn dropped() -> u64 {
    log().map_or(0, |log| log.queue.dropped())
}

/// One line with its newline. The text format escapes strings as in Rust's source, so that a
/// newline in a string does not break the line.
pub(super) fn line(
    format: LogFormat,
    level: &str,
    target: &str,
    message: &str,
    fields: &[(&str, Value)],
) -> Vec<u8> {
    let now = Timestamp::now();
    let mut text = match format {
        LogFormat::Text => {
            let mut text = format!("{now} {level:>5} {target}: {message}");
            for (name, value) in fields {
                text.push_str(&format!(" {name}={value}"));
            }
            text
        }
        LogFormat::Json => {
            let mut all = Map::new();
            all.insert("message".into(), message.into());
            for (name, value) in fields {
                all.insert((*name).to_owned(), value.clone());
            }
            json!({"timestamp": now, "level": level, "fields": all, "target": target}).to_string()
        }
    };
    text.push('\n');
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn writer_nonblocking_file_is_full_then_waits_and_writes_all() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let long = vec![b'x'; 1 << 20];
        std::thread::scope(|scope| {
            let written = scope.spawn(|| {
                let written = write(&writer, &long);
                drop(writer);
                written
            });
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(read.len(), long.len());
            written.join().unwrap().unwrap();
        });
    }

    #[test]
    fn writer_whose_reader_is_gone_then_an_error_and_no_wait() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        assert_eq!(write(&writer, b"lost"), Err(Errno::PIPE));
    }

    #[test]
    fn line_with_newlines_and_quotes_then_one_line_in_both_formats() {
        let fields = [("reason", Value::from("a\n\"b\"")), ("count", 7.into())];
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(format, "WARN", "onaird::log", "said", &fields);
            let line = String::from_utf8(line).unwrap();
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            if format == LogFormat::Json {
                let value: Value = serde_json::from_str(&line).unwrap();
                assert_eq!(value["fields"]["reason"], "a\n\"b\"");
                assert_eq!(value["level"], "WARN");
            } else {
                let end = " WARN onaird::log: said reason=\"a\\n\\\"b\\\"\" count=7\n";
                assert!(line.ends_with(end), "{line}");
            }
        }
    }
}
