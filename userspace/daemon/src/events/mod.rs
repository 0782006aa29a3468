//! What happens in the daemon, told to whoever listens.
//!
//! The [`Hub`] belongs to the control thread: it numbers the events, keeps the last of them, and
//! puts each into the bounded queue of every reader that may and wants to see it. Telling never
//! blocks. A reader that is too slow loses the oldest events of its own queue, and is told how many.
//! HTTP never lives here.

mod hub;
mod interest;
mod queue;

pub use hub::Hub;
pub use interest::{Interest, LastSeen, Subject};
pub use queue::Subscription;
