//! Headers below the packets of an essence, without I/O and without a clock.
//!
//! [`ethernet`], [`vlan`], [`arp`], [`ipv4`], [`ipv6`], [`udp`], [`icmp`], [`ndp`] and [`igmp`]; [`datagram`] has
//! those of an essence's packets together. Sockets, ports and essences do not belong here.
//!
//! Only constructors allocate, and no input causes a panic.
#![forbid(unsafe_code)]

pub mod arp;
pub mod bytes;
pub mod datagram;
pub mod ends;
pub mod ethernet;
pub mod icmp;
pub mod igmp;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
pub mod udp;
pub mod vlan;
