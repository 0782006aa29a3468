//! Bounded queue of log lines: a thread that logs never waits.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use onair_mutant::mutant;

/// One line, or several that belong together, with the final newline.
pub(super) type Line = Cow<'static, [u8]>;

/// The queue between all threads and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    /// Bytes in the queue from which further lines are dropped.
    most: usize,
    /// Makes the line that reports dropped lines.
    note: fn(u64) -> Vec<u8>,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<Line>,
    bytes: usize,
    /// The writer has taken a line and has not finished it.
    is_writing: bool,
    /// Lines dropped since the last report.
    unsaid: u64,
    /// Lines dropped since the start.
    dropped: u64,
}

impl Inner {
    fn add(&mut self, line: Line) {
        self.bytes += line.len();
        self.lines.push_back(line);
    }

    fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.unsaid == 0 && !self.is_writing
    }
}

impl Queue {
    pub(super) fn new(most: usize, note: fn(u64) -> Vec<u8>) -> Self {
        Self {
            most,
            note,
            inner: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Queues a line, or drops and counts it if the queue is full.
    pub(super) fn push(&self, line: impl Into<Line>) {
        self.take(line.into(), false);
    }

    /// Queues a line even if the queue is full: for the few lines written once in a process's life.
    pub(super) fn push_always(&self, line: impl Into<Line>) {
        self.take(line.into(), true);
    }

    fn take(&self, line: Line, always: bool) {
        let mut inner = self.inner();
        while mutant!("log: a full queue blocks") && !always && inner.bytes >= self.most {
            inner = self
                .changed
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if !always && inner.bytes >= self.most {
            inner.unsaid += 1;
            inner.dropped += 1;
            return;
        }
        // At the place where the lines are missing.
        match std::mem::take(&mut inner.unsaid) {
            0 => {}
            count => inner.add((self.note)(count).into()),
        }
        inner.add(line);
        drop(inner);
        self.changed.notify_all();
    }

    /// Writer: waits for the next line. The writer calls [`Self::wrote`] when it has finished it.
    pub(super) fn next(&self) -> Line {
        let mut inner = self
            .changed
            .wait_while(self.inner(), |it| it.lines.is_empty() && it.unsaid == 0)
            .unwrap_or_else(PoisonError::into_inner);
        inner.is_writing = true;
        if let Some(line) = inner.lines.pop_front() {
            inner.bytes -= line.len();
            return line;
        }
        let count = std::mem::take(&mut inner.unsaid);
        (self.note)(count).into()
    }

    /// The last line of [`Self::next`] is written, or `lost` because standard error failed.
    pub(super) fn wrote(&self, lost: bool) {
        let mut inner = self.inner();
        inner.is_writing = false;
        inner.dropped += u64::from(lost);
        drop(inner);
        self.changed.notify_all();
    }

    /// Waits until everything is written or `deadline`. Returns whether it is.
    pub(super) fn wait_idle(&self, deadline: Instant) -> bool {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .changed
            .wait_timeout_while(self.inner(), remaining, |it| !it.is_idle());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_idle()
    }

    /// Whether the queue is empty and the writer idle.
    pub(super) fn is_idle(&self) -> bool {
        self.inner().is_idle()
    }

    /// Lines dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.inner().dropped
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Each change is complete before a panic could happen: the data is valid.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn note(count: u64) -> Vec<u8> {
        format!("dropped {count}").into_bytes()
    }

    fn text(queue: &Queue) -> String {
        let line = queue.next();
        queue.wrote(false);
        String::from_utf8(line.into_owned()).unwrap()
    }

    #[test]
    fn lines_more_than_there_is_room_for_then_dropped_and_counted() {
        let queue = Queue::new(4, note);
        for line in ["one", "two", "three", "four"] {
            queue.push(line.as_bytes());
        }
        assert_eq!(queue.dropped(), 2);
        assert_eq!((text(&queue), text(&queue)), ("one".into(), "two".into()));
        queue.push(b"five".as_slice());
        queue.push(b"six".as_slice());
        assert_eq!(
            (text(&queue), text(&queue)),
            ("dropped 2".into(), "five".into())
        );
        // No line follows: the count is reported nevertheless.
        assert_eq!(text(&queue), "dropped 1");
        assert_eq!(queue.dropped(), 3);
        assert!(queue.is_idle());
    }

    #[test]
    fn lines_said_once_then_taken_when_there_is_no_room() {
        let queue = Queue::new(4, note);
        queue.push(b"a long line".as_slice());
        queue.push_always(b"last words".as_slice());
        assert_eq!(queue.dropped(), 0);
        assert_eq!(text(&queue), "a long line");
        assert_eq!(text(&queue), "last words");
    }

    #[test]
    fn queue_waited_for_then_idle_once_the_last_line_is_written() {
        let queue = Queue::new(4, note);
        assert!(queue.wait_idle(Instant::now()));
        queue.push(b"one".as_slice());
        assert!(!queue.wait_idle(Instant::now()));
        let line = queue.next();
        assert!(!queue.wait_idle(Instant::now()), "it is being written");
        assert_eq!(&*line, b"one");
        std::thread::scope(|scope| {
            let idle = scope.spawn(|| queue.wait_idle(Instant::now() + Duration::from_secs(30)));
            queue.wrote(true);
            assert!(idle.join().unwrap());
        });
        assert_eq!(queue.dropped(), 1, "it was lost");
    }
}
