//! How long starts, ends and deaths take.

pub(crate) mod p10_shutdown;
pub(crate) mod p35_replaced;
pub(crate) mod p7_verdict;
