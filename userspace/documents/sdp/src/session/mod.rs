//! What a description says of a session: its format and flow, and what it changes of a session of the same format.

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
