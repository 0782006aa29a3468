//! The life of a session: stopped, started, changed, evicted, destroyed, kept, restored.

mod durability;
mod evict;
mod gate;
mod kill_destroy;
mod open_frames;
mod open_sends;
mod quarantine;
mod reload;
mod retarget;
