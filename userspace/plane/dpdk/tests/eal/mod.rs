//! The start of DPDK.

mod bad_arguments;
mod drivers;
mod second_init;
