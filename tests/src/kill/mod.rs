//! The kill matrix: clients put to death at each point of each call, beside others who must not
//! notice.

mod audit;
mod blocked;
mod death;
mod ground;
mod points;
mod reckoning;
mod victim;

/// How long any step may take.
const TIMEOUT_S: u64 = 60;

/// Frames come here from first to last, and a client takes every one.
const FRAMES: &str = "frames";
/// Nothing comes here.
const QUIET: &str = "quiet";
/// Frames come here; it is stopped and started all the time.
const PULSES: &str = "pulses";
/// Victims fill this one, and its frames are sent.
const FILL: &str = "fill";
/// Victims fill this one, and read it: a local session.
const MIX: &str = "mix";
/// A local session that a well-behaved client fills, so that frames come to its readers.
const LIVE: &str = "live";

pub use audit::audit;
pub use blocked::{Watchers, asleep, three_agree};
pub use death::{Death, Killer};
pub use ground::{Ground, GroundResult};
pub use points::{Point, VictimSessions, VictimTask, points, random};
pub use victim::{End, Victim, labels};
