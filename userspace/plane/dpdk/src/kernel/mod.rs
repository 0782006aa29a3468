//! The kernel's objects under a port: its interface, its sockets, its namespace.
//!
//! Not here: calls of DPDK.

pub(crate) mod channels;
pub(crate) mod descriptor;
pub(crate) mod flags;
pub(crate) mod inheritance;
pub(crate) mod interface;
pub(crate) mod membership;
pub(crate) mod namespace;
pub(crate) mod netlink;
pub(crate) mod packet_socket;
pub(crate) mod queue_look;
pub(crate) mod xsk;
