//! Requests of operators and clients, and their answers.
//!
//! Not here: when a request is served ([`crate::actor`]).

mod actions;
mod clients;
mod groups;
mod operators;
mod retargets;
