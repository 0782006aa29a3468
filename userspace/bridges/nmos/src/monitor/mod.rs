//! BCP-008-01 and BCP-008-02: the health of one receiver or sender, as controllers watch it.
//!
//! [`Truth`] is what the daemon says of a session now, in the terms of the specifications. [`Monitor`] makes of it, and of
//! time, what is reported: worse statuses at once, better ones after they have lasted. Time is an argument: a
//! [`Duration`](std::time::Duration) since any one moment. Nothing here does I/O or knows how statuses are sent.

mod counters;
mod domain;
mod level;
mod machine;
mod truth;

pub use counters::{Count, Set};
pub use domain::Domain;
pub use level::Area;
pub use level::{Finding, Level};
pub use machine::Monitor;
pub use truth::{Truth, truth};

#[cfg(test)]
mod tests;
