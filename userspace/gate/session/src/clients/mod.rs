//! How clients come and go: they attach, leave, die and are evicted.

mod admission;
mod dead_threads;
mod evicting;
mod leaving;
