//! Threads, clients and daemons that die.

mod deaths_processes;
mod deaths_programs;
mod deaths_threads;
mod guardian;
mod kill_matrix;
pub(crate) mod reattach;
