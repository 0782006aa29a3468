//! Timing of video senders: ST 2110-21, measured packet by packet.
//!
//! [`Measurement`] passes each packet through the network compatibility model ([`NetworkModel`]) and the
//! virtual receive buffer ([`ReceiveBuffer`]), and [`verdict`] compares the figures with the limits of
//! the sender types ([`Limits`]). [`Monitor`] does the same for a stream whose packets a frame are not
//! known in advance. Everything is plain values: times in nanoseconds come from the caller.
//!
//! All times are exact integers in a unit that divides each period of the stream ([`Schedule`]). Where
//! the standard leaves freedom, the figures are those that EBU LIST computes, so that histograms can be
//! compared:
//!
//! - A *unit* is what one marker ends: a frame, or a field if the video is interlaced. Each unit starts at
//!   a whole number of unit periods since the epoch, plus TROFFSET; the half line that the second field
//!   has later in ST 2110-21 is not applied.
//! - If the sender says its TROFFSET, a unit is the one whose time plus TROFFSET is nearest to its first packet:
//!   with an offset near a period, LIST's rule (the unit in whose time the packet comes) takes a packet that is
//!   a little late for one of the next unit.
//! - The network model starts with the first packet of the capture at level 0 and is never reset.
//! - The virtual receive buffer starts with the first packet after a marker, and again with each unit.
//!   A packet before TVD counts as read late by as many packets as fit into the time that is left. If a
//!   packet arrives in the instant in which one is read, the rounding of LIST's doubles decides.
//! - A stream is gapped if the mean pause after a marker is more than 50 times the mean distance of
//!   other packets.
//!
//! A packet costs two divisions, and memory is constant after construction. Not here: sockets,
//! clocks, and the assembly of frames.

mod declared;
mod first_packet;
mod histogram;
mod limits;
mod measurement;
mod models;
mod monitor;
pub(crate) mod schedule;
mod spacing;
mod summary;
mod verdict;

pub use declared::{Declared, Judgement};
pub use first_packet::{FirstPackets, TICKS_PER_SECOND};
pub use histogram::Intervals;
pub use histogram::Levels;
pub use limits::Limits;
pub use measurement::Measurement;
pub use models::network::NetworkModel;
pub use models::receive_buffer::ReceiveBuffer;
pub use monitor::{Monitor, Second};
pub use schedule::{Reads, Schedule, ScheduleError, Stream};
pub use spacing::{Spacing, UnitPackets};
pub use summary::Summary;
pub use verdict::{Quantity, Reason, Verdict, verdict};
