//! A session's totals for the daemon's final event: they outlive the session.

use std::collections::BTreeMap;
use std::sync::Arc;

use onair_api::{Blocker, Direction, SessionId, SessionName, SessionOutcome, SessionSummary};
use onair_dataplane::SessionStats;

use crate::session::Session;

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

/// Counters that are losses.
const DROPS: [&str; 15] = [
    "packets_other_ssrc",
    "frames_no_link",
    "frames_not_converted",
    "packets_malformed",
    "packets_wrong_source",
    "packets_duplicate",
    "packets_late",
    "packets_no_buffer",
    "packets_lost",
    "frames_incomplete",
    "frames_no_buffer",
    "frames_dropped_stop",
    "frames_dropped_slow",
    "frames_dropped_detached",
    "underruns",
];

impl Session {
    /// Its name and counters, closed when the session has ended.
    pub fn totals(&self) -> SessionTotals {
        SessionTotals {
            id: self.id,
            name: self.spec.name.clone(),
            port: self.spec.port.clone(),
            direction: self.spec.direction,
            stats: Arc::clone(&self.stats),
        }
    }
}

impl SessionTotals {
    /// The sums; `blockers` are the users that blocked the destroy.
    pub fn close(&self, outcome: SessionOutcome, blockers: Vec<Blocker>) -> SessionSummary {
        let now = self.stats.snapshot();
        let drops: BTreeMap<String, u64> = now
            .iter()
            .map(|(name, count)| match name {
                "packets_lost" => (name, count.saturating_sub(now.packets_lost_arrived)),
                _ => (name, count),
            })
            .filter(|(name, count)| *count > 0 && DROPS.contains(name))
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
                Direction::Receive => now.frames_complete,
                Direction::Send => now.frames_sent,
            },
            packets: now.packets,
            bytes: now.bytes,
            drops,
            blockers,
        }
    }
}
