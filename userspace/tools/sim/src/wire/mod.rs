//! Lives of a receive session's packets: a real sender's stream on one or two legs, and a stranger who chooses bytes, sizes
//! and times of packets on either. The real merge and depacketisers, as a poller calls them. A seed is a life.
//!
//! | file | noun |
//! |---|---|
//! | `plan` | what the stranger sends, and what the network loses |
//! | `session` | a poller's part of the session, and its memory |
//! | `life` | one life, and what must be so in it |

mod life;
mod plan;
mod session;

pub(crate) use self::life::live;
pub(crate) use self::plan::WirePlan;

/// RTP payload type and source of the sender.
const TYPE: u8 = 96;
const SSRC: u32 = 7;
/// After so long without a packet, another stream is followed.
const TIMEOUT_NS: u64 = 100_000_000;
