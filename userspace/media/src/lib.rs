//! Packets of essences and the headers below them, without I/O and without a clock.
//!
//! Everything here is a function of bytes and of times that the caller passes: the headers
//! of a datagram ([`ethernet`], [`arp`], [`ipv4`], [`udp`], [`icmp`], [`igmp`],
//! together in [`datagram`]), [`rtp`], [`media_time`] and [`st2110_20`], the timing of senders ([`st2110_21`]), streams of
//! unknown format ([`survey`]), the assembly of frames ([`assembly`]), the
//! built-in test pattern ([`pattern`]), the pacing of packets ([`pacing`]) and questions to the clock's PTP
//! daemon ([`ptp`]). Sockets, ports,
//! threads and frame memory do not belong here.
//!
//! Only constructors allocate, and no input causes a panic.
#![forbid(unsafe_code)]

pub mod arp;
pub mod assembly;
mod bits;
mod bytes;
pub mod datagram;
pub mod ethernet;
pub mod icmp;
pub mod igmp;
pub mod ipv4;
pub mod media_time;
pub mod pacing;
pub mod pattern;
pub mod ptp;
pub mod rtp;
pub mod st2110_20;
pub mod st2110_21;
pub mod survey;
pub mod udp;
pub mod vlan;
