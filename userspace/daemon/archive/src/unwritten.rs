//! Certificates and sessions whose files are not on disk yet: not written, or the write failed.
//! Each failed write is retried, and the pause before that doubles.
//!
//! Not here: the files, and their content.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_mutant::mutant;

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

/// Receives the result of a write, once the file is on disk or cannot be. Must not wait.
pub type Then = Box<dyn FnOnce(Result<(), WriteError>) + Send>;

/// The entries that are not on disk. The owner hands writes to a thread and notes each with
/// [`Self::begin`]; the thread notes its end with [`Self::end`]. Neither call waits for the disk.
#[derive(Debug)]
pub(crate) struct Unwritten<K> {
    entries: Mutex<BTreeMap<K, UnwrittenFile>>,
    now: fn() -> Instant,
}

struct UnwrittenFile {
    /// Since when the file is not up to date.
    since: Instant,
    /// Writes that were handed in and have not ended.
    under_way: u32,
    /// The last write failed.
    failure: Option<Failure>,
    /// Each gets the result of the last write.
    waiters: Vec<Then>,
}

#[derive(Debug)]
struct Failure {
    error: WriteError,
    /// Consecutive failed writes.
    tries: u32,
    retry_at: Instant,
}

impl std::fmt::Debug for UnwrittenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnwrittenFile")
            .field("under_way", &self.under_way)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Change that the end of a write makes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
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

impl<K: Ord + Clone + Display> Unwritten<K> {
    /// Without entries.
    pub(crate) fn new(now: fn() -> Instant) -> Self {
        Self {
            entries: Mutex::default(),
            now,
        }
    }

    /// A write of `key` was handed in.
    pub(crate) fn begin(&self, key: &K) {
        let now = (self.now)();
        let mut entries = self.entries();
        let entry = entries.entry(key.clone()).or_insert_with(|| UnwrittenFile {
            since: now,
            under_way: 0,
            failure: None,
            waiters: Vec::new(),
        });
        entry.under_way += 1;
    }

    /// A write of `key` ended. Waiters get the result, unless a later write is in progress.
    pub(crate) fn end(&self, key: &K, result: &Result<(), WriteError>) -> Change {
        let now = (self.now)();
        let mut waiters = Vec::new();
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
        let is_last = entry.under_way == 0;
        if mutant!("unwritten: told of an earlier write", true, is_last) {
            waiters.append(&mut entry.waiters);
            if result.is_ok() && is_last {
                entries.remove(key);
            }
        }
        drop(entries);
        for waiter in waiters {
            waiter(result.clone());
        }
        match (result, tries) {
            (Ok(()), 0) => Change::None,
            (Ok(()), tries) => Change::Recovered(tries),
            (Err(_), 0) => Change::Failed,
            (Err(_), _) => Change::None,
        }
    }

    /// Removes `key`: it must no longer be on disk.
    pub(crate) fn forget(&self, key: &K) {
        self.entries().remove(key);
    }

    /// Calls `then` when `key` is on disk, or cannot be: at once if no write of it is in progress.
    pub(crate) fn written(&self, key: &K, then: Then) {
        let mut entries = self.entries();
        let result = match entries.get_mut(key) {
            None => Ok(()),
            Some(entry) if entry.under_way > 0 => return entry.waiters.push(then),
            Some(entry) => Err(match &entry.failure {
                Some(failure) => failure.error.clone(),
                None => WriteError::WriterEnded,
            }),
        };
        drop(entries);
        then(result);
    }

    /// Whether `key` is on disk in its current form.
    pub(crate) fn is_written(&self, key: &K) -> bool {
        !self.entries().contains_key(key)
    }

    /// Whether the last write of `key` failed and no other is in progress.
    pub(crate) fn has_failed(&self, key: &K) -> bool {
        self.entries()
            .get(key)
            .is_some_and(UnwrittenFile::has_failed)
    }

    /// Entries whose retry is due.
    pub(crate) fn due(&self) -> Vec<K> {
        if mutant!("unwritten: what failed is not tried again") {
            return Vec::new();
        }
        let now = (self.now)();
        let entries = self.entries();
        let due = entries.iter().filter(|(_, entry)| {
            let failure = entry.failure.as_ref();
            entry.has_failed() && failure.is_none_or(|failure| failure.retry_at <= now)
        });
        due.map(|(key, _)| key.clone()).collect()
    }

    /// Entries whose last write failed, due or not.
    pub(crate) fn failed(&self) -> Vec<K> {
        let entries = self.entries();
        let failed = entries.iter().filter(|(_, entry)| entry.has_failed());
        failed.map(|(key, _)| key.clone()).collect()
    }

    /// The entries that the disk did not take, or not in time; `None` if there are none.
    pub(crate) fn report(&self) -> Option<UnwrittenReport> {
        let now = (self.now)();
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
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::cell::Cell;
    use std::sync::LazyLock;

    use super::*;

    thread_local! {
        static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    fn now() -> Instant {
        static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
        *BEGUN + NOW.get()
    }

    fn pass(time: Duration) {
        NOW.set(NOW.get() + time);
    }

    fn failed() -> Result<(), WriteError> {
        Err(io::Error::other("no space").into())
    }

    /// Keeps the result that is published for `key`.
    fn told(unwritten: &Unwritten<u64>, key: u64) -> Arc<Mutex<Option<Result<(), WriteError>>>> {
        let told = Arc::new(Mutex::new(None));
        let own = Arc::clone(&told);
        let then = move |result| *own.lock().unwrap() = Some(result);
        unwritten.written(&key, Box::new(then));
        told
    }

    fn is_told(told: &Mutex<Option<Result<(), WriteError>>>) -> Option<bool> {
        told.lock().unwrap().as_ref().map(Result::is_ok)
    }

    #[test]
    fn write_under_way_and_done_then_waiters_hear_of_the_last_one() {
        let unwritten = Unwritten::new(now);
        assert_eq!(is_told(&told(&unwritten, 1)), Some(true));
        unwritten.begin(&1);
        unwritten.begin(&1);
        let written = told(&unwritten, 1);
        assert_eq!(unwritten.end(&1, &failed()), Change::Failed);
        assert_eq!(is_told(&written), None, "a later write is under way");
        assert!(!unwritten.has_failed(&1));
        assert_eq!(unwritten.end(&1, &Ok(())), Change::Recovered(1));
        assert_eq!(is_told(&written), Some(true));
        assert!(unwritten.is_written(&1));
    }

    #[test]
    fn write_fails_then_told_and_due_again_after_a_doubling_pause() {
        let unwritten = Unwritten::new(now);
        unwritten.begin(&7);
        let written = told(&unwritten, 7);
        assert_eq!(unwritten.end(&7, &failed()), Change::Failed);
        for written in [written, told(&unwritten, 7)] {
            assert_eq!(is_told(&written), Some(false));
        }
        assert_eq!(unwritten.failed(), [7]);
        let mut last = Duration::ZERO;
        for _ in 0..40 {
            let mut pause = Duration::ZERO;
            while unwritten.due().is_empty() {
                pause += FIRST_PAUSE;
                pass(FIRST_PAUSE);
            }
            assert!(pause >= last && pause <= LONGEST_PAUSE, "{pause:?}");
            last = pause;
            unwritten.begin(&7);
            assert!(unwritten.due().is_empty() && unwritten.failed().is_empty());
            assert_eq!(unwritten.end(&7, &failed()), Change::None);
        }
        assert_eq!(last, LONGEST_PAUSE);
        unwritten.forget(&7);
        pass(2 * last);
        assert!(unwritten.is_written(&7) && unwritten.due().is_empty());
    }

    #[test]
    fn report_of_failed_or_hanging_writes_then_count_and_names() {
        let unwritten = Unwritten::new(now);
        unwritten.begin(&0);
        assert_eq!(unwritten.report(), None);
        pass(SLOW);
        let hangs = unwritten.report().unwrap();
        assert_eq!(
            (hangs.count, &*hangs.detail),
            (1, "0: the disk does not answer")
        );
        for key in 1..=4 {
            unwritten.begin(&key);
            unwritten.end(&key, &failed());
        }
        let report = unwritten.report().unwrap();
        assert_eq!((report.count, &*report.detail), (5, "0, 1, 2, …: no space"));
    }
}
