//! Files that outlive the daemon: persistent sessions, certificates, and the writes that are still
//! to be done.
//!
//! Not here: recordings (`onair_record`), and the journal of resources ([`crate::resources`]).

pub mod archive;
pub mod disk;
pub mod restoring;
pub mod store;
pub mod unwritten;
