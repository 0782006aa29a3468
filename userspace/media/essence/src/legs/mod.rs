//! Two legs of one stream (ST 2022-7): the same RTP packets, sent over two networks, become one stream again
//! before an essence sees them.
//!
//! The rules are those of RTP, the same for every essence. Ports and addresses do not belong here.

mod config;
mod leg;
mod merge;
mod path;
mod places;
mod skew;
mod sort;
#[cfg(test)]
mod tests;
mod window;

pub use config::MergeConfig;
pub use config::{Class, UnknownClass};
pub use leg::Leg;
pub use leg::{JointCounts, LegCounts};
pub use leg::{Onward, Receiving};
pub use merge::Merge;
pub use skew::{Skew, SkewSecond};
