//! The witnesses that ask the kernel: W2, the probe, and W4, the mappings. W1, W3 and the verdict
//! need no kernel: [`onair_session::witness`].

pub mod mapping;
pub mod probe;
