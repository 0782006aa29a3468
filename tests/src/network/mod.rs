//! Cables, switches, hosts, and packets made by hand.

pub(crate) mod cable;
pub(crate) mod echo;
pub(crate) mod flow;
pub(crate) mod igmp_watch;
pub(crate) mod neighbour;
pub mod packet;
pub(crate) mod switched;
pub(crate) mod talker;
pub(crate) mod trunk;
pub(crate) mod whole_flow;
pub(crate) mod wire;
