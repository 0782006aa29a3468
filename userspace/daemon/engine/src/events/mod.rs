//! The daemon's events, published to all readers.
//!
//! The [`Hub`] belongs to the control thread: it numbers the events, keeps the last ones, and puts
//! each into the bounded queue of every reader that may and wants to see it. Publishing never
//! blocks. A reader that is too slow loses the oldest events of its own queue, and is told how
//! many. Not here: HTTP.

mod hub;
mod interest;
mod queue;

pub use hub::Hub;
pub use interest::{Interest, LastSeen, Subject};
pub use queue::Subscription;
