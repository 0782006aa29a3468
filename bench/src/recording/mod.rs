//! What recordings cost.

pub(crate) mod p11_drain;
