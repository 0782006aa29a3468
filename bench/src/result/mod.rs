//! The result: values, rows, the machine they were taken on, and how they are shown.

pub(crate) mod cause;
pub(crate) mod document;
pub(crate) mod machine;
pub(crate) mod noise;
pub(crate) mod row;
pub(crate) mod samples;
