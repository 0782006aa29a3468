//! Recordings, as the daemon tells of them and as a strict reader finds them.

pub mod pcapng;
pub mod recorded;
