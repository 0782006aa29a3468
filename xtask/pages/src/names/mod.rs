//! Names on a page that the code must have: keys, metrics, files, tests, pages.

pub(crate) mod key;
pub(crate) mod mention;
pub(crate) mod metric;
pub(crate) mod path;
pub(crate) mod sync_name;
pub(crate) mod test_name;
