//! Running and finishing recordings, as the shutdown sees them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::{RecordingEnd, RecordingId, RecordingName, RecordingSummary};
use onair_engine::machine::ActiveRecording as _;

use super::active::{Active, RecordingFailure};
use crate::shutdown::Waiting;

/// Poll interval of the shutdown, in case a wake-up is lost.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Recordings that failed at the shutdown, by name.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(|(name, why)| format!("{name}: {why}")).collect::<Vec<_>>().join("; "))]
pub struct RecordingsFailed(Vec<(RecordingName, RecordingFailure)>);

/// Every running or finishing recording. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<LiveShared>);

#[derive(Debug, Default)]
struct LiveShared {
    all: Mutex<All>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct All {
    list: Vec<Arc<Active>>,
    /// Recordings whose files are being created.
    starting: usize,
    /// The daemon shuts down: no recording accepts packets.
    is_cut: bool,
}

impl Live {
    /// Phase 1 of the shutdown: stops all recordings from accepting. Does not block.
    pub fn cut(&self) {
        let mut all = self.all();
        all.is_cut = true;
        all.list.iter().for_each(|it| it.stop_accepting());
    }

    /// A recording's files are about to be created.
    pub(super) fn begin_start(&self) {
        self.all().starting += 1;
    }

    /// The files exist, or could not be created.
    pub(super) fn end_start(&self, started: Option<&Arc<Active>>) {
        let mut all = self.all();
        all.starting -= 1;
        if let Some(active) = started {
            if all.is_cut {
                active.stop_accepting();
            }
            all.list.push(Arc::clone(active));
        }
        drop(all);
        self.0.changed.notify_all();
    }

    /// Removes an ended recording, unless the shutdown has begun. Returns whether it was removed.
    pub(super) fn settle(&self, recording: RecordingId) -> bool {
        let mut all = self.all();
        if !all.is_cut {
            all.list.retain(|it| it.about.id != recording);
        }
        !all.is_cut
    }

    /// Phase 2 of the shutdown: returns when each recording is finished. The control thread
    /// finishes each recording as it gets the session's tap back. After half of the time this
    /// finishes the remaining ones without their taps.
    ///
    /// # Errors
    /// [`RecordingsFailed`].
    pub fn finish_all(&self, waiting: &Waiting) -> Result<(), RecordingsFailed> {
        let begin_at = Instant::now() + waiting.remaining() / 2;
        loop {
            let (list, starting) = {
                let all = self.all();
                (all.list.clone(), all.starting)
            };
            let open: Vec<_> = list.iter().filter(|it| !it.is_over()).collect();
            let Some(first) = open.first() else {
                if starting == 0 || waiting.is_forced() {
                    break;
                }
                let all = self.all();
                drop(
                    self.0
                        .changed
                        .wait_timeout(all, LOOK_AGAIN)
                        .unwrap_or_else(PoisonError::into_inner),
                );
                continue;
            };
            if Instant::now() >= begin_at || waiting.is_forced() {
                for active in open.iter().filter(|it| !it.is_begun()) {
                    tracing::warn!(recording = %active.about.name, "the poller has not returned the recording's tap");
                    Arc::clone(active).finish(RecordingEnd::Shutdown);
                }
            }
            // The wait of each caller has its own deadline.
            first.wait_over(Instant::now() + LOOK_AGAIN);
        }
        let list = self.all().list.clone();
        let failed = list
            .iter()
            .filter_map(|it| Some((it.about.name.clone(), it.failed()?)));
        let failed: Vec<_> = failed.collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(RecordingsFailed(failed))
    }

    /// Summary entries of the recordings that ran when the shutdown began.
    #[must_use]
    pub fn summaries(&self) -> Vec<RecordingSummary> {
        let list = self.all().list.clone();
        list.iter().map(|it| it.summary()).collect()
    }

    fn all(&self) -> MutexGuard<'_, All> {
        // No code panics while it holds this lock.
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
