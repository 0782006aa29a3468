//! A neighbour's report of its hardware address.

use onair_net::arp::ArpMessage;
use onair_net::ndp::NeighbourMessage;

/// A message of either family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NeighbourReport {
    /// IPv4.
    Arp(ArpMessage),
    /// IPv6.
    Ndp(NeighbourMessage),
}
