//! The daemon's facts as the wall shows them.
//!
//! One task reads the daemon's documents at each event, and once a second. Of each session it makes a [`Tile`]: what is
//! wrong first, and figures rounded so that a session that is well changes nothing.

mod follow;
mod tile;

pub use follow::Change;
pub use follow::{Daemon, follow};
pub(crate) use tile::way;
pub use tile::{Severity, Tile};
