//! Frames from a sender to a receiver, ours and others'.

mod extended_size;
mod media_clients;
mod media_formats;
mod media_loop;
mod media_receivers;
mod sdp;
mod sender_types;
mod soak;
