//! Contents of ANC packets: names by their DID and SDID, and timecode. Other contents are named, not decoded.

mod kinds;
mod timecode;

pub use kinds::{CEA_608, CEA_708, Kind, TIMECODE};
pub use timecode::{Timecode, TimecodeSource};
