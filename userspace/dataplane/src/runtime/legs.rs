//! A receive session with two legs (ST 2022-7): their packets are one stream before the essence sees them.

use std::sync::Arc;

use onair_essence::legs::{Class, Leg, Merge, MergeConfig};

use crate::flow::target::LegTarget;
use crate::runtime::receive::ReceiveConfig;
use crate::stats::SessionStats;

/// The second leg of a receive session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondLeg {
    /// Name of its port: another one than the session's, with a poller that both have.
    pub port: String,
    /// Its addresses.
    pub target: LegTarget,
    /// How far the legs may be apart.
    pub class: Class,
}

/// IPv4 and UDP headers.
const HEADER_BYTES: usize = 28;

/// The merge of a session's legs.
#[derive(Debug)]
pub(crate) struct Legs {
    pub(crate) merge: Merge,
    stats: Arc<SessionStats>,
}

impl Legs {
    /// For a session with a second leg.
    pub(crate) fn of(config: &ReceiveConfig, stats: &Arc<SessionStats>) -> Option<Box<Self>> {
        let second = config.second.as_ref()?;
        let merge = Merge::new(&MergeConfig {
            payload_type: config.payload_type,
            clock_hz: config.format.clock_hz(),
            bytes_per_second: config.format.bytes_per_second(),
            packet_bytes: usize::from(config.mtu).saturating_sub(HEADER_BYTES),
            class: second.class,
            silence_ns: config.timeout_ns,
        });
        let stats = Arc::clone(stats);
        Some(Box::new(Self { merge, stats }))
    }

    /// Publishes the counters.
    pub(crate) fn show(&mut self) {
        let Some(stats) = &self.stats.legs else {
            return;
        };
        for leg in Leg::BOTH {
            stats.show_leg(leg, self.merge.leg(leg), self.merge.other_ssrc(leg));
        }
        let joint = *self.merge.joint();
        stats.show_joint(&joint, self.merge.skew());
    }
}
