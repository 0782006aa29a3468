//! The life of a session: stopped, started, changed, evicted, destroyed, kept, restored.

mod destroy_wait;
mod durability;
mod evict;
mod flushing;
mod gate;
mod kill_destroy;
mod persistence;
mod quarantine;
mod reload;
mod retarget;
