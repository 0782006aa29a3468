//! Ports, pollers, groups and networks, good and bad.

mod arriving;
mod cut;
mod drops;
mod groups_return;
mod link_loss;
mod malformed;
mod malformed_wire;
mod media_ports;
mod multicast;
mod netem;
mod relay;
mod router;
mod same_group;
mod vlan;
