//! The control thread's side of the daemon: its sockets, and the actions that they send to the
//! one owner of all session state.
//!
//! Here live requests, who may make them, and their way to the actor. Media, packets and shared
//! memory never live here, and nothing here may block.

pub mod action;
pub mod actor;
pub mod attach;
pub mod handle;
pub mod http;
pub mod metrics;
pub mod thread;
