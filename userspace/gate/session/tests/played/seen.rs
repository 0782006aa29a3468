//! What the core sees, as tests play it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use onair_api::{Problem, Reading, Says, SessionId, Timestamp, Witness, WordOf};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use onair_session::{
    Facts, Moment, PollerFact, RetiredMemory, Sites, Timeouts, View, Walk, witness,
};

/// The longest that a poller may take.
pub(crate) const QUIESCE: Duration = Duration::from_secs(5);

/// What is so in a test.
pub(crate) trait Played {
    /// The time.
    fn now(&self) -> Instant;

    /// The attachment of each caller that sleeps in a get of a session.
    fn asleep(&self, session: SessionId) -> Vec<u64>;

    /// The session.
    fn session(&self) -> SessionId;

    /// Whether the process of an attachment is gone, and its death reported.
    fn is_gone(&self, attachment: u64) -> bool;

    /// Whether the process is exiting.
    fn is_ending(&self, pid: u32) -> bool;

    /// Attachments that left while the session ran, and have its memory still.
    fn left_behind(&self) -> u64 {
        0
    }
}

/// What the core knows and sees of it.
pub(crate) struct Seen<P>(pub(crate) P);

impl<P: Played> Seen<P> {
    /// What is known when an event comes.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            now: self.0.now(),
            timeouts: Timeouts {
                quiesce: QUIESCE,
                drain_warning: Duration::ZERO,
            },
            poller: PollerFact::Works,
            sent_and_dropped: (0, 0),
            left: Vec::new(),
        }
    }
}

impl<P: Played> View for Seen<P> {
    fn moment(&self) -> Moment {
        Moment {
            wall: Timestamp(std::time::UNIX_EPOCH),
            monotonic_ns: 1,
        }
    }

    fn check_probe(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn walk(&self, sessions: &[SessionId]) -> Box<dyn Walk + '_> {
        let asleep = sessions.iter().map(|id| (*id, self.0.asleep(*id)));
        Box::new(List(asleep.collect()))
    }

    fn blocked(&self) -> Vec<u64> {
        self.0.asleep(self.0.session())
    }

    fn mapping(&self, memory: &RetiredMemory) -> Reading {
        let held = memory.words().filter(|words| !self.is_released(words));
        let held = held.count() as u64 + self.0.left_behind();
        let says = if held == 0 { Says::Zero } else { Says::Users };
        reading(Witness::W4, witness::MAPPING, says, held)
    }

    fn is_released(&self, words: &AttachmentMemory) -> bool {
        self.0.is_gone(words.attachment())
    }

    fn are_released(&self, _: &FrameMemory) -> bool {
        true
    }

    fn is_process_ending(&self, pid: u32) -> bool {
        self.0.is_ending(pid)
    }
}

/// The callers asleep at one moment, by session.
struct List(BTreeMap<SessionId, Vec<u64>>);

impl Walk for List {
    fn probe(
        &self,
        session: SessionId,
        clients: &mut dyn Iterator<Item = (u32, Sites)>,
        out: Option<&dyn Fn(u64) -> bool>,
    ) -> Reading {
        let asleep = &self.0[&session];
        let left_out = asleep
            .iter()
            .filter(|number| out.is_some_and(|out| out(**number)))
            .count() as u64;
        let users = asleep.len() as u64 - left_out;
        let all: Vec<Sites> = clients.map(|(_, sites)| sites).collect();
        let is_known = |sites: &Sites| matches!(sites, Sites::Armed | Sites::Unwatched);
        let says = match users {
            0 if !all.iter().all(is_known) => Says::Unknown,
            0 if all.contains(&Sites::Unwatched) => Says::NotApplicable,
            0 => Says::Zero,
            _ => Says::Users,
        };
        Reading {
            left_out,
            ..reading(Witness::W2, witness::PROBE, says, users)
        }
    }
}

fn reading(witness: Witness, name: &str, says: Says, users: u64) -> Reading {
    Reading {
        witness,
        name: name.into(),
        says,
        users,
        left_out: 0,
        detail: String::new(),
        word_of: WordOf::Kernel,
        at_monotonic_ns: 1,
    }
}
