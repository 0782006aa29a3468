//! When the packets of a send session go, by the sender types of ST 2110-21.
//!
//! [`Schedule`] says when each group of packets is due: with a lead before the time at which a receiver
//! reads it. [`Pacer`] says what may go now: what is due, and for a narrow sender no more than the network
//! compatibility model has room for. Everything is plain values: times come from the caller.

mod pacer;
mod schedule;
mod spread;

pub use pacer::Pacer;
pub use schedule::Schedule;
