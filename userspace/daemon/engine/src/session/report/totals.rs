//! A session's totals for the daemon's final event: they outlive the session.

use std::collections::BTreeMap;
use std::sync::Arc;

use onair_api::{
    Blocker, Direction, SessionCounters, SessionId, SessionName, SessionOutcome, SessionSummary,
};
use onair_dataplane::SessionStats;

use crate::session::convert;
use crate::session::report::Shown;

/// A session's name and counters.
#[derive(Debug)]
pub struct SessionTotals {
    /// Its id.
    pub id: SessionId,
    name: SessionName,
    port: String,
    direction: Direction,
    stats: Arc<SessionStats>,
}

impl Shown<'_> {
    /// Its name and counters, closed when the session has ended.
    pub fn totals(&self) -> SessionTotals {
        SessionTotals {
            id: self.0.id,
            name: self.0.spec.name.clone(),
            port: self.0.spec.port.clone(),
            direction: self.0.spec.direction,
            stats: Arc::clone(&self.0.stats),
        }
    }
}

impl SessionTotals {
    /// The sums; `blockers` are the users that blocked the destroy.
    pub fn close(&self, outcome: SessionOutcome, blockers: Vec<Blocker>) -> SessionSummary {
        let now = convert::counters(&self.stats);
        let malformed = ("packets_malformed", self.stats.snapshot().packets_malformed);
        let losses = SessionCounters::ALL.iter().filter(|it| it.is_loss);
        let losses = losses.map(|it| (it.name, (it.value)(&now)));
        let drops: BTreeMap<String, u64> = losses
            .chain([malformed])
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        SessionSummary {
            id: self.id,
            name: self.name.clone(),
            port: self.port.clone(),
            direction: self.direction,
            certificate: (outcome != SessionOutcome::Abandoned)
                .then(|| onair_archive::file_name(self.id)),
            outcome,
            frames: match self.direction {
                Direction::Receive | Direction::Local => now.frames_complete,
                Direction::Send => now.frames_sent,
            },
            packets: now.packets,
            bytes: now.bytes,
            drops,
            blockers,
        }
    }
}
