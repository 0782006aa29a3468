//! What recordings cost.

pub(crate) mod p11_drain;
pub(crate) mod p16_recording;
pub(crate) mod p24_recorder;
