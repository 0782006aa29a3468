//! Putting frames together from packets that come out of order, twice, or not at all.
//!
//! The [`Assembler`] keeps two frames under way and says what became of each; the bytes go straight
//! to a [`Sink`], which owns the memory. Clocks, ports and the hand-over to clients never live here.

mod assembler;
mod coverage;
mod frame;
mod report;
mod sequence;
mod stats;

pub use assembler::{Assembler, AssemblerConfig};
pub use coverage::{Coverage, MissingRange};
pub use report::{FrameReport, LISTED_RANGES, Sink};
pub use stats::{AssemblyStats, Malformed, MalformedCounts};
