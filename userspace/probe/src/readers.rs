//! The thread that looks at clients, replaced when it hangs.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::{Blind, ProbeError};
use crate::kernel::spawn;
use crate::maps::locked;
use crate::sight::Seen;

/// Readers that may hang at the same time.
const MAX_HANGING: usize = 64;

/// A look that may hang.
pub(crate) trait Look: Send + Sync {
    fn look(&self) -> Result<Seen, Blind>;
}

/// What is looked at, by one reader at a time.
pub(crate) struct Target {
    look: Arc<dyn Look>,
    busy: AtomicBool,
}

impl Target {
    pub(crate) fn new(look: Arc<dyn Look>) -> Self {
        let busy = AtomicBool::new(false);
        Self { look, busy }
    }
}

struct Job {
    target: Arc<Target>,
    reply: SyncSender<Result<Seen, Blind>>,
}

/// The thread.
pub(crate) struct Readers {
    limit: Duration,
    hanging: Arc<AtomicUsize>,
    current: Mutex<Option<Sender<Job>>>,
}

impl Readers {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            hanging: Arc::default(),
            current: Mutex::new(None),
        }
    }

    /// Looks at a client, at most for the configured time.
    pub(crate) fn look(&self, target: &Arc<Target>) -> Result<Seen, Blind> {
        let hanging = || Blind::Hanging {
            limit_ms: self.limit.as_millis(),
        };
        // One at a time: a queue behind a look that hangs would look as if all of them did.
        let mut current = locked(&self.current);
        if target.busy.swap(true, Ordering::AcqRel) {
            return Err(hanging());
        }
        let (reply, answer) = sync_channel(1);
        let job = Job {
            target: Arc::clone(target),
            reply,
        };
        let sent = self
            .reader(&mut current)
            .is_some_and(|reader| reader.send(job).is_ok());
        if !sent {
            target.busy.store(false, Ordering::Release);
            *current = None;
            return Err(hanging());
        }
        match answer.recv_timeout(self.limit) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                // Its channel is closed with this: it ends when the look returns.
                *current = None;
                Err(hanging())
            }
        }
    }

    fn reader<'a>(&self, current: &'a mut Option<Sender<Job>>) -> Option<&'a Sender<Job>> {
        if current.is_none() {
            if self.hanging.load(Ordering::Acquire) >= MAX_HANGING {
                return None;
            }
            let (jobs, inbox) = channel();
            let count = Arc::clone(&self.hanging);
            count.fetch_add(1, Ordering::AcqRel);
            let started: Result<_, ProbeError> = spawn("onair-sight", move || {
                serve(&inbox);
                count.fetch_sub(1, Ordering::AcqRel);
            });
            if started.is_err() {
                self.hanging.fetch_sub(1, Ordering::AcqRel);
                return None;
            }
            *current = Some(jobs);
        }
        current.as_ref()
    }
}

fn serve(inbox: &Receiver<Job>) {
    while let Ok(Job { target, reply }) = inbox.recv() {
        let result = target.look.look();
        target.busy.store(false, Ordering::Release);
        // The asker may have given up.
        let _ = reply.send(result);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(look: impl Look + 'static) -> Arc<Target> {
        Arc::new(Target::new(Arc::new(look)))
    }

    /// Answers at once.
    struct Prompt;

    impl Look for Prompt {
        fn look(&self) -> Result<Seen, Blind> {
            Ok(Seen::default())
        }
    }

    /// Does not answer until the other end of the channel is dropped.
    struct Silent(Mutex<Receiver<()>>);

    impl Look for Silent {
        fn look(&self) -> Result<Seen, Blind> {
            let _ = locked(&self.0).recv();
            Prompt.look()
        }
    }

    #[test]
    fn look__that_hangs__then_told_and_others_are_looked_at() {
        let readers = Readers::new(Duration::from_millis(20));
        let (answer, question) = channel();
        let silent = target(Silent(Mutex::new(question)));
        assert!(matches!(readers.look(&silent), Err(Blind::Hanging { .. })));
        // Not asked again while the first question is open.
        assert!(matches!(readers.look(&silent), Err(Blind::Hanging { .. })));
        assert_eq!(readers.hanging.load(Ordering::Acquire), 1);
        while readers.look(&target(Prompt)).is_err() {}
        drop(answer);
        while readers.look(&silent).is_err() {
            std::thread::yield_now();
        }
    }
}
