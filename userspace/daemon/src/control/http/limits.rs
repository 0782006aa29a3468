//! How much of the daemon one connection, and all of them, may take.

use std::time::Duration;

/// Limits of the control socket. Every time-out comes from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one more is told `overloaded` and closed.
    pub connections: usize,
    /// Longest body, in bytes.
    pub body_bytes: usize,
    /// Longest head of a request (names and values of its headers, and its target), in bytes.
    pub head_bytes: usize,
    /// A request's head must be whole after this; an idle connection is closed after it.
    pub head: Duration,
    /// A request's body must be whole after this.
    pub body: Duration,
    /// A client that takes nothing of an answer for this long is closed.
    pub write: Duration,
    /// At the end: answers under way may take this long.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            body_bytes: 64 * 1024,
            head_bytes: 8 * 1024,
            head: Duration::from_secs(30),
            body: Duration::from_secs(10),
            write: Duration::from_secs(10),
            farewell: Duration::from_secs(1),
        }
    }
}
