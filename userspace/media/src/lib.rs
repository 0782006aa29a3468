//! Essence formats and the headers below them, without I/O and without a clock.
//!
//! Everything here is a function of bytes and of times that the caller hands in: rasters and rates
//! ([`video`]), the headers of a datagram ([`ethernet`], [`arp`], [`ipv4`], [`udp`], [`icmp`],
//! joined in [`datagram`]), [`rtp`] and [`st2110_20`], the putting together of frames
//! ([`assembly`]), the built-in moving picture ([`pattern`]) and the times at which packets are due
//! ([`pacing`]). Sockets, ports, threads and the memory that frames lie in never live here.
//!
//! Nothing allocates once its constructor has returned, and no input can make it panic.
#![forbid(unsafe_code)]

pub mod arp;
pub mod assembly;
mod bits;
mod bytes;
pub mod datagram;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod pacing;
pub mod pattern;
pub mod rtp;
pub mod st2110_20;
pub mod udp;
pub mod video;
