//! A scripted daemon and its documents. Tests do not belong here.

pub(crate) mod documents;
pub(crate) mod played;
