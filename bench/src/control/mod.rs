//! What sessions and clients cost the control thread.

pub(crate) mod p12_create;
pub(crate) mod p20_control;
pub(crate) mod p21_memory;
pub(crate) mod p25_crowd;
pub(crate) mod p34_resident;
