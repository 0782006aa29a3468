//! A receive session with two legs (ST 2022-7): their packets are one stream before the essence sees them.

use std::sync::Arc;

use onair_essence::legs::{Class, Leg, Merge, MergeConfig};

use crate::flow::target::LegTarget;
use crate::stats::SessionStats;

/// The second leg of a receive session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondLeg {
    /// Name of its port: another one than the session's, with a poller that both have.
    pub port: String,
    /// Its addresses.
    pub target: LegTarget,
    /// Largest IP packet of its port in bytes.
    pub mtu: u16,
    /// How far the legs may be apart.
    pub class: Class,
}

/// The merge of a session's legs.
#[derive(Debug)]
pub(crate) struct Legs {
    pub(crate) merge: Merge,
    stats: Arc<SessionStats>,
}

impl Legs {
    /// A merge without packets.
    pub(crate) fn new(config: &MergeConfig, stats: &Arc<SessionStats>) -> Box<Self> {
        Box::new(Self {
            merge: Merge::new(config),
            stats: Arc::clone(stats),
        })
    }

    /// Publishes the counters.
    pub(crate) fn show(&mut self) {
        let Some(stats) = &self.stats.legs else {
            return;
        };
        for leg in Leg::BOTH {
            stats.show_leg(leg, self.merge.leg(leg), self.merge.other_ssrc(leg));
        }
        stats.show_joint(self.merge.joint(), self.merge.skew());
    }
}
