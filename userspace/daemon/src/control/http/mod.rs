//! HTTP/1.1 with JSON on the control socket.
//!
//! This module has the connection (timeouts, limits), the routes, their bodies and their
//! description in OpenAPI. A handler admits the peer, asks the actor and writes the answer; it
//! decides nothing about sessions. Every error is a problem (RFC 9457), except for input that is
//! not HTTP: hyper answers that with a bare 400.

mod body;
mod certificates;
mod config;
mod connection;
mod events;
mod evictions;
mod guard;
mod health;
mod limits;
mod metrics;
mod openapi;
mod problems;
mod recordings;
mod refusal;
mod router;
mod sessions;
mod shutdown;
mod which;

pub(super) use connection::connection;
pub use connection::serve;
pub use limits::Limits;
pub(super) use metrics::alone as metrics_alone;
pub use openapi::document;
