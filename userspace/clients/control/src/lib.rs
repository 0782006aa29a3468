//! A client of the daemon's control socket: `onairctl` and the programs beside the daemon steer it by this.
//!
//! A request is an operation of [`onair_api::operations`] with its target and input; the answer is its document, or a
//! [`ControlError`]. [`Client::follow`] gives the events of one connection. [`Events`] goes on while the daemon restarts:
//! it connects again with growing pauses, resumes after the last event it gave, and says where events are missing. [`watch`]
//! keeps the newest of what the daemon says.
#![forbid(unsafe_code)]

mod client;
mod error;
mod events;
mod facts;
mod reach;
mod socket;
mod stream;

pub use client::Answer;
pub use client::Client;
pub use error::ControlError;
pub use events::{Events, Step};
pub use facts::{Facts, Following, watch};
pub use stream::Stream;
