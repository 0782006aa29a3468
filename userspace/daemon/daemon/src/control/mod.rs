//! The control thread's side of the daemon: its sockets, and the actions that they send to the only
//! owner of all session state.
//!
//! This module has the requests, their authorization, and their way to the actor. It never touches
//! media, packets or shared memory, and nothing here may block.

pub mod attach;
mod driver;
pub mod guardian;
pub mod handle;
pub mod http;
pub mod inputs;
pub mod metrics;
pub mod thread;
