//! The wall: the daemon's sessions as pictures, meters and lamps in a browser.
//!
//! Tasks: [`daemon`] follows the daemon by its control socket, and writes what changes into the [`news`], which every
//! viewer's stream reads. [`looks`] attaches, by the client library, to the sessions that some viewer looks at, and makes
//! small pictures and levels of them. [`site`] serves both, the page itself, and the actions of users that logged in.
//!
//! This is one client of the daemon's two sockets: what it has no right to do there, no viewer can do by it.
#![forbid(unsafe_code)]

pub mod daemon;
pub mod looks;
pub mod news;
mod run;
pub mod settings;
pub mod site;
pub mod users;

pub use run::{RunError, run};
