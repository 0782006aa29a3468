//! How sessions end: by an eviction, in quarantine, with the daemon.

mod evictions;
mod quarantine;
mod shutdown;
