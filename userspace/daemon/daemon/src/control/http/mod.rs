//! HTTP/1.1 with JSON on the control socket.
//!
//! This module has the connection (timeouts, limits), and serves the operations that
//! [`onair_api::operations`] declares: it parses a request, admits the peer, asks the actor and writes
//! the answer; it decides nothing about sessions. Every error is a problem (RFC 9457), except for
//! input that is not HTTP: hyper answers that with a bare 400.

mod api;
mod connection;
mod guard;
mod handlers;
mod limits;
mod openapi;
mod refusal;
mod replay;
mod request;
mod router;

pub(super) use connection::connection;
pub use connection::serve;
pub(super) use handlers::metrics::alone as metrics_alone;
pub use limits::Limits;
pub use router::{document, prepare};
