//! What packets and frames cost, and how long they take.

pub(crate) mod p17_layouts;
pub(crate) mod p18_latency;
pub(crate) mod p19_glass;
pub(crate) mod p23_wires;
pub(crate) mod p28_poller;
pub(crate) mod p32_passed;
pub(crate) mod p33_worst;
pub(crate) mod p37_wall;
pub(crate) mod p5_gstreamer;
pub(crate) mod p5_packets;
pub(crate) mod p6_receive;
pub(crate) mod sender_types;
pub(crate) mod testpmd;
