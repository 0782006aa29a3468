//! A session description's format and flow, and the changes that it makes to a session of the same format.

mod change;
mod described;
mod leg;
mod same_format;
mod sources;
mod unusable;

pub use described::{Described, Text};
pub use leg::DescribedLeg;
pub use same_format::frame_rate;
pub use sources::{changed_sources, one_or_several};
pub use unusable::Unusable;
