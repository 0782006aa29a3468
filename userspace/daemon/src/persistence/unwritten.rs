//! Certificates and sessions whose files are not on disk yet: not written, or the write failed.
//! Each failed write is retried, and the pause before that doubles.
//!
//! Not here: the files, and their content.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Pause before the first retry.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two retries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A write that takes longer is reported as a problem of the disk.
const SLOW: Duration = Duration::from_secs(2);
/// Maximum number of entries that a problem names.
const NAMED: usize = 3;

/// Why a file is not on disk.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk did not take it.
    #[error(transparent)]
    Disk(Arc<io::Error>),
    /// The thread that writes has ended.
    #[error("its writer has ended")]
    WriterEnded,
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Disk(Arc::new(error))
    }
}

/// The result of a write, once the file is on disk or cannot be.
pub type WriteAck = oneshot::Receiver<Result<(), WriteError>>;

/// The entries that are not on disk. The owner hands writes to a thread and notes each with
/// [`Self::begin`]; the thread notes its end with [`Self::end`]. Neither call waits for the disk.
#[derive(Debug)]
pub struct Unwritten<K>(Mutex<BTreeMap<K, UnwrittenFile>>);

#[derive(Debug)]
struct UnwrittenFile {
    /// Since when the file is not up to date.
    since: Instant,
    /// An earlier form is on disk.
    has_earlier: bool,
    /// Writes that were handed in and have not ended.
    under_way: u32,
    /// The last write failed.
    failure: Option<Failure>,
    /// Each gets the result of the last write.
    waiters: Vec<oneshot::Sender<Result<(), WriteError>>>,
}

#[derive(Debug)]
struct Failure {
    error: WriteError,
    /// Consecutive failed writes.
    tries: u32,
    retry_at: Instant,
}

/// What the end of a write changes.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing to report.
    None,
    /// The first write failed.
    Failed,
    /// It is on disk after this number of failed writes.
    Recovered(u32),
}

/// A description of the problem for operators.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnwrittenReport {
    /// Entries that the disk did not take, or not in time.
    pub count: u64,
    /// The first of them by name, and an error.
    pub detail: String,
}

impl<K> Default for Unwritten<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone + Display> Unwritten<K> {
    /// A write of `key` was handed in; `is_known` if it is not the first.
    pub fn begin(&self, key: &K, is_known: bool, now: Instant) {
        let mut entries = self.entries();
        let entry = entries.entry(key.clone()).or_insert_with(|| UnwrittenFile {
            since: now,
            // Without an entry the last write has succeeded.
            has_earlier: is_known,
            under_way: 0,
            failure: None,
            waiters: Vec::new(),
        });
        entry.under_way += 1;
    }

    /// A write of `key` ended. Waiters get the result, unless a later write is in progress.
    pub fn end(&self, key: &K, result: &Result<(), WriteError>, now: Instant) -> Change {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else {
            return Change::None;
        };
        entry.under_way = entry.under_way.saturating_sub(1);
        let tries = entry.failure.take().map_or(0, |failure| failure.tries);
        if let Err(error) = result {
            entry.failure = Some(Failure {
                error: error.clone(),
                tries: tries + 1,
                retry_at: now + pause(tries),
            });
        }
        if entry.under_way == 0 {
            for waiter in entry.waiters.drain(..) {
                // The requester may be gone.
                let _ = waiter.send(result.clone());
            }
            if result.is_ok() {
                entries.remove(key);
            }
        }
        match (result, tries) {
            (Ok(()), 0) => Change::None,
            (Ok(()), tries) => Change::Recovered(tries),
            (Err(_), 0) => Change::Failed,
            (Err(_), _) => Change::None,
        }
    }

    /// Removes `key`: it must no longer be on disk.
    pub fn forget(&self, key: &K) {
        self.entries().remove(key);
    }

    /// Resolves when `key` is on disk, or cannot be: at once if no write of it is in progress.
    pub fn written(&self, key: &K) -> WriteAck {
        let (waiter, written) = oneshot::channel();
        let result = match self.entries().get_mut(key) {
            None => Ok(()),
            Some(entry) if entry.under_way > 0 => {
                entry.waiters.push(waiter);
                return written;
            }
            Some(entry) => Err(match &entry.failure {
                Some(failure) => failure.error.clone(),
                None => WriteError::WriterEnded,
            }),
        };
        // The caller receives it, below.
        let _ = waiter.send(result);
        written
    }

    /// Whether `key` is on disk in its current form.
    pub fn is_written(&self, key: &K) -> bool {
        !self.entries().contains_key(key)
    }

    /// Whether `key` is on disk, in its current form or in an earlier one while a later one is
    /// written.
    pub fn is_on_disk(&self, key: &K) -> bool {
        let entries = self.entries();
        let entry = entries.get(key);
        entry.is_none_or(|entry| entry.has_earlier && entry.failure.is_none())
    }

    /// Whether the last write of `key` failed and no other is in progress.
    pub fn has_failed(&self, key: &K) -> bool {
        self.entries()
            .get(key)
            .is_some_and(UnwrittenFile::has_failed)
    }

    /// Entries whose retry is due.
    pub fn due(&self, now: Instant) -> Vec<K> {
        let entries = self.entries();
        let due = entries.iter().filter(|(_, entry)| {
            let failure = entry.failure.as_ref();
            entry.has_failed() && failure.is_none_or(|failure| failure.retry_at <= now)
        });
        due.map(|(key, _)| key.clone()).collect()
    }

    /// Entries whose last write failed, due or not.
    pub fn failed(&self) -> Vec<K> {
        let entries = self.entries();
        let failed = entries.iter().filter(|(_, entry)| entry.has_failed());
        failed.map(|(key, _)| key.clone()).collect()
    }

    /// The entries that the disk did not take, or not in time; `None` if there are none.
    pub fn report(&self, now: Instant) -> Option<UnwrittenReport> {
        let entries = self.entries();
        let is_wrong = |(_, entry): &(&K, &UnwrittenFile)| {
            entry.failure.is_some() || now.saturating_duration_since(entry.since) >= SLOW
        };
        let wrong: Vec<_> = entries.iter().filter(is_wrong).collect();
        if wrong.is_empty() {
            return None;
        }
        let mut names: Vec<String> = wrong
            .iter()
            .take(NAMED)
            .map(|it| it.0.to_string())
            .collect();
        if wrong.len() > NAMED {
            names.push("…".to_owned());
        }
        let error = wrong.iter().find_map(|(_, entry)| entry.failure.as_ref());
        let error = error.map_or_else(
            || "the disk does not answer".to_owned(),
            |failure| failure.error.to_string(),
        );
        Some(UnwrittenReport {
            count: wrong.len() as u64,
            detail: format!("{}: {error}", names.join(", ")),
        })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<K, UnwrittenFile>> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnwrittenFile {
    fn has_failed(&self) -> bool {
        self.under_way == 0 && self.failure.is_some()
    }
}

/// The pause after a failed write that follows this number of failed ones.
fn pause(tries: u32) -> Duration {
    let factor = 1_u32.checked_shl(tries).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Result<(), WriteError> {
        Err(io::Error::other("no space").into())
    }

    fn told(written: WriteAck) -> Result<(), WriteError> {
        written.blocking_recv().unwrap()
    }

    #[test]
    fn write_under_way_and_done_then_waiters_hear_of_the_last_one() {
        let (unwritten, now) = (Unwritten::default(), Instant::now());
        assert!(told(unwritten.written(&1)).is_ok());
        unwritten.begin(&1, false, now);
        unwritten.begin(&1, false, now);
        let mut written = unwritten.written(&1);
        assert_eq!(unwritten.end(&1, &failed(), now), Change::Failed);
        assert!(written.try_recv().is_err(), "a later write is under way");
        assert!(!unwritten.has_failed(&1));
        assert_eq!(unwritten.end(&1, &Ok(()), now), Change::Recovered(1));
        assert!(told(written).is_ok());
        assert!(unwritten.is_written(&1));
    }

    #[test]
    fn write_fails_then_told_and_due_again_after_a_doubling_pause() {
        let (unwritten, mut now) = (Unwritten::default(), Instant::now());
        unwritten.begin(&7, false, now);
        let written = unwritten.written(&7);
        assert_eq!(unwritten.end(&7, &failed(), now), Change::Failed);
        for written in [written, unwritten.written(&7)] {
            assert_eq!(told(written).unwrap_err().to_string(), "no space");
        }
        assert_eq!(unwritten.failed(), [7]);
        let mut last = Duration::ZERO;
        for _ in 0..40 {
            let mut pause = Duration::ZERO;
            while unwritten.due(now + pause).is_empty() {
                pause += FIRST_PAUSE;
            }
            assert!(pause >= last && pause <= LONGEST_PAUSE, "{pause:?}");
            (last, now) = (pause, now + pause);
            unwritten.begin(&7, false, now);
            assert!(unwritten.due(now).is_empty() && unwritten.failed().is_empty());
            assert_eq!(unwritten.end(&7, &failed(), now), Change::None);
        }
        assert_eq!(last, LONGEST_PAUSE);
        unwritten.forget(&7);
        assert!(unwritten.is_written(&7) && unwritten.due(now + 2 * last).is_empty());
    }

    #[test]
    fn write_of_a_later_form_then_on_disk_unless_it_fails() {
        let (unwritten, now) = (Unwritten::default(), Instant::now());
        unwritten.begin(&1, false, now);
        // The first form is not on disk either.
        unwritten.begin(&1, true, now);
        assert!(!unwritten.is_on_disk(&1));
        unwritten.end(&1, &Ok(()), now);
        unwritten.end(&1, &Ok(()), now);
        unwritten.begin(&1, true, now);
        assert!(unwritten.is_on_disk(&1) && !unwritten.is_written(&1));
        unwritten.end(&1, &failed(), now);
        assert!(!unwritten.is_on_disk(&1));
    }

    #[test]
    fn report_of_failed_or_hanging_writes_then_count_and_names() {
        let (unwritten, now) = (Unwritten::default(), Instant::now());
        unwritten.begin(&0, false, now);
        assert_eq!(unwritten.report(now), None);
        let hangs = unwritten.report(now + SLOW).unwrap();
        assert_eq!(
            (hangs.count, &*hangs.detail),
            (1, "0: the disk does not answer")
        );
        for key in 1..=4 {
            unwritten.begin(&key, false, now);
            unwritten.end(&key, &failed(), now);
        }
        let report = unwritten.report(now).unwrap();
        assert_eq!((report.count, &*report.detail), (4, "1, 2, 3, …: no space"));
    }
}
