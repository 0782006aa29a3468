//! Collects the content of a session's certificate.

use onair_api::{Operation, Reading, Who};

use crate::boundary::evidence::Evidence;
use crate::boundary::runtime::Runtime;
use crate::state::life::Life;
use crate::state::{Parts, SessionCore, Turn};

/// The request that an evidence is for.
pub(crate) struct Issue {
    pub(crate) operation: Operation,
    pub(crate) deadline_ms: Option<u64>,
    pub(crate) requester: Who,
    pub(crate) readings: Vec<Reading>,
}

impl Issue {
    /// The content of the certificate.
    pub(crate) fn evidence<R: Runtime>(self, parts: &Parts, turn: &Turn<R>) -> Box<Evidence> {
        let Life { runs, audit, .. } = &*turn.life;
        Box::new(Evidence {
            operation: self.operation,
            deadline_ms: self.deadline_ms,
            requester: self.requester,
            generation: runs.generation,
            stopped_before: audit.stopped_before.clone(),
            steps: audit.steps(),
            readings: self.readings,
            reconciled: audit.reconciled.clone(),
            evicted: audit.evicted.clone(),
            disagreements: audit.disagreements.clone(),
            counts: turn.life.counts(turn.view),
            bytes: parts.memory(turn.life).bytes(),
            held_by: parts.clients.holders().map(|it| it.who.pid).collect(),
        })
    }
}

impl<R: Runtime> SessionCore<R> {
    /// Size of the frames that evicted senders and senders that left still have, in bytes, with the sender's user;
    /// a user may come several times.
    pub fn left_frame_bytes(&self) -> impl Iterator<Item = (u32, u64)> {
        let evicted = self.parts.clients.evicted.list.values();
        let evicted = evicted.map(|it| (it.attachment.who.uid, it.attachment.frames.as_ref()));
        let retired = self.life.retired.clients.iter();
        let all = evicted.chain(retired.map(|it| (it.uid, it.frames.as_ref())));
        all.filter_map(|(uid, frames)| Some((uid, frames?.len() as u64)))
    }
}
