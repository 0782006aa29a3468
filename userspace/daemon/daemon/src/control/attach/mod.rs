//! The socket for clients: SOCK_SEQPACKET, one attachment per connection.
//!
//! A connection task parses the client's requests, does what needs waiting (arming the probe, the
//! client's answer to the challenge), and sends [`AttachAction`](onair_engine::inputs::AttachAction)s to the actor. It holds no session
//! state. The messages are those of [`onair_ipc::message`].

mod asked;
mod attaching;
mod connection;
mod identify;
mod listener;
mod places;
mod requests;
mod silent;
mod stage;
mod unproven;
mod wire;

pub use connection::Limits;
pub use listener::Listener;
