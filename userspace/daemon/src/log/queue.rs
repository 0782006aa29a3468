//! Lines that wait for standard error, in bounded memory: whoever logs never waits.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use onair_mutant::mutant;

/// A line, or several that belong together, with the final newline.
pub(super) type Line = Cow<'static, [u8]>;

/// The queue between all threads and the one that writes.
#[derive(Debug)]
pub(super) struct Queue {
    /// A line is taken while fewer bytes than this wait.
    most: usize,
    /// The line that says how many were dropped.
    note: fn(u64) -> Vec<u8>,
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    lines: VecDeque<Line>,
    bytes: usize,
    /// The writer has taken a line and is not done with it.
    is_writing: bool,
    /// Dropped since the last note.
    unsaid: u64,
    /// Dropped since the start.
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

    /// Takes a line, or drops and counts it if there is no room.
    pub(super) fn push(&self, line: impl Into<Line>) {
        self.take(line.into(), false);
    }

    /// Takes a line even if there is no room: for the few that are said once in a process's life.
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
        // In the place where they are missing.
        match std::mem::take(&mut inner.unsaid) {
            0 => {}
            count => inner.add((self.note)(count).into()),
        }
        inner.add(line);
        drop(inner);
        self.changed.notify_all();
    }

    /// Waits for the next line; for the writer, which says [`Self::wrote`] when it is done with it.
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

    /// The last line of [`Self::next`] is written, or `lost`: standard error takes nothing any more.
    pub(super) fn wrote(&self, lost: bool) {
        let mut inner = self.inner();
        inner.is_writing = false;
        inner.dropped += u64::from(lost);
        drop(inner);
        self.changed.notify_all();
    }

    /// Waits until everything is written, until `deadline` at the latest. Whether it is.
    pub(super) fn wait_idle(&self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self
            .changed
            .wait_timeout_while(self.inner(), left, |it| !it.is_idle());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_idle()
    }

    /// Whether nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        self.inner().is_idle()
    }

    /// Lines that were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.inner().dropped
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Each change is made as a whole: it is in order also after a panic.
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
    fn lines_more_than_there_is_room_for_then_dropped_counted_and_said_in_their_place() {
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
        // Nothing comes after it: it is said nevertheless.
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
    fn queue_waited_for_then_idle_only_when_the_last_line_is_written() {
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
