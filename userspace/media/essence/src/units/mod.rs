//! Units that are told by their RTP timestamps, from packets that arrive out of order, twice, or never.
//!
//! [`UnitReceiver`] says which unit a packet is of, which source is followed, and when a unit is over; an [`Assembly`] of
//! the essence says what the packets are.

mod assembly;
mod receiver;
mod refused;
mod unit;

pub use assembly::{Assembly, Reason};
pub use receiver::UnitReceiver;
