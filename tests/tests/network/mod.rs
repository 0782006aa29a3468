//! Ports, pollers, groups and networks, good and bad.

mod beside_host;
mod groups_return;
mod malformed;
mod malformed_wire;
mod media_ports;
mod multicast;
mod netem;
mod port;
mod router;
mod same_group;
mod vlan;
