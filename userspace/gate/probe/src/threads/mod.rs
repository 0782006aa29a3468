//! The probe's threads, for work that may take long or hang.

pub(crate) mod arm;
pub(crate) mod fair;
pub(crate) mod kernel;
pub(crate) mod modified;
pub(crate) mod supervisor;
