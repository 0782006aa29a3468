//! What a session's certificate says.

pub(crate) mod audit;
pub(crate) mod evidence;
