//! How clients come and go: they attach, leave, die and are evicted.

mod admission;
pub(crate) mod dead_threads;
mod evicting;
mod leaving;
pub(crate) mod sites;
