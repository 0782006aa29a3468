//! The programs in the kernel, and their maps.

pub(crate) mod descriptors;
pub(crate) mod instructions;
pub(crate) mod load;
pub(crate) mod maps;
pub(crate) mod multi;
pub(crate) mod openings;
pub(crate) mod reduced;
pub(crate) mod types;
