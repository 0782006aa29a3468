//! What the calls of clients cost.

pub(crate) mod p1_stop;
pub(crate) mod p2_idle;
pub(crate) mod p3_get_put;
pub(crate) mod p8_probe;
