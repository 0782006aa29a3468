//! A session as it is stored.

use onair_api::{GroupName, SessionSpec, StoppedBefore, Who};
use serde::{Deserialize, Serialize};

/// Starts that are stored in advance, so that a start need not wait for the disk.
const AHEAD: u64 = 256;

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistedSession {
    /// The specification it is created from.
    pub spec: SessionSpec,
    /// The user that created it.
    pub owner: Who,
    /// It is in the configuration: it is removed when it no longer is.
    pub configured: bool,
    /// It must run; else it is stopped.
    pub running: bool,
    /// The last requested stop of a session that must be stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StoppedBefore>,
    /// The highest generation that it may have reached. It continues from there.
    pub generation: u64,
    /// The group that it is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_of: Option<GroupName>,
    /// Where its packets go on, if it sends and its daemon ended in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_packet: Option<NextPacket>,
}

/// Numbers of a sender's next packet, so that its receivers see one stream, with a gap in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPacket {
    /// Its synchronisation source (RFC 3550 §3).
    pub ssrc: u32,
    /// Its sequence number, of which RTP has the low half (ST 2110-20 §6.2.1).
    pub sequence: u32,
}

impl PersistedSession {
    /// A session that its creator wants to be restored, and that has reached `generation`.
    #[must_use]
    pub fn created(spec: SessionSpec, owner: Who, generation: u64) -> Self {
        Self {
            spec,
            owner,
            configured: false,
            running: true,
            stopped: None,
            generation: ahead(0, generation),
            member_of: None,
            next_packet: None,
        }
    }
}

/// The generation to store for a session that has reached `generation`, if `written` is stored.
pub(crate) fn ahead(written: u64, generation: u64) -> u64 {
    if generation.saturating_add(AHEAD / 2) < written {
        return written;
    }
    generation.saturating_add(AHEAD)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn kept(name: &str) -> PersistedSession {
        let spec = include_str!("../tests/session.json");
        let mut spec: serde_json::Value = serde_json::from_str(spec).unwrap();
        spec["name"] = name.into();
        PersistedSession {
            spec: serde_json::from_value(spec).unwrap(),
            owner: who(1),
            configured: false,
            running: true,
            stopped: None,
            generation: 7,
            member_of: None,
            next_packet: None,
        }
    }

    pub(crate) fn who(pid: u32) -> Who {
        let who = serde_json::json!({
            "uid": 0, "gid": 0, "pid": pid, "command": "t", "via": "control.sock",
        });
        serde_json::from_value(who).unwrap()
    }

    #[test]
    fn generation_at_every_start_then_what_is_on_disk_is_not_below() {
        let mut written = 0;
        let mut writes = 0;
        for generation in 1..=2000 {
            let now = ahead(written, generation);
            // The generation in use was stored before the start that uses it.
            assert!(generation == 1 || generation <= written);
            writes += u32::from(now != written);
            written = now;
        }
        assert!(writes < 20, "{writes}");
    }
}
