//! Limits of one client.

use std::time::Duration;

/// Limits of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; others wait.
    pub connections: usize,
    /// Of these, those from one address; others wait, and idle ones are closed for them.
    pub per_peer: usize,
    /// Bytes of a request's body: a bulk request for some hundred sessions.
    pub body: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Time of the head of a request, from the end of the one before: an idle connection has a place for so long.
    pub head_time: Duration,
    /// Time of the handshake of TLS.
    pub handshake: Duration,
    /// Time of a request's body.
    pub body_time: Duration,
    /// Time of a request and its answer.
    pub request: Duration,
    /// Time in which a client reads some of an answer, and in which all end when the process does.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_peer: 64,
            body: 1 << 20,
            head: 16 << 10,
            head_time: Duration::from_secs(15),
            handshake: Duration::from_secs(5),
            body_time: Duration::from_secs(5),
            request: Duration::from_secs(30),
            write: Duration::from_secs(5),
        }
    }
}
