//! Client processes, as the probe inspects them: their files, their threads, and whether they are seen.

pub(crate) mod attached;
pub(crate) mod folder;
pub(crate) mod reading;
pub(crate) mod registry;
pub(crate) mod site_checker;
pub(crate) mod sleepers;
pub(crate) mod text;
