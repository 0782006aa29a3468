//! The kill matrix: clients put to death at each point of each call, beside others who must not
//! notice.

mod audit;
mod blocked;
mod death;
mod ground;
mod points;
mod victim;

/// Frames come here from first to last, and a client takes every one.
const FRAMES: &str = "frames";
/// Nothing comes here.
const QUIET: &str = "quiet";
/// Frames come here; it is stopped and started all the time.
const PULSES: &str = "pulses";
/// Victims fill this one.
const FILL: &str = "fill";

pub use audit::audit;
pub use blocked::{Watchers, asleep, three_agree};
pub use death::{Death, Killer};
pub use ground::{Ground, GroundResult};
pub use points::{Point, VictimSessions, VictimTask, points, random};
pub use victim::{End, Victim, labels};
