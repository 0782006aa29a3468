//! `onaird` as a program: what it prints, and its exit status.

mod check_config;
mod fifo;
mod help;
mod start_fails;
