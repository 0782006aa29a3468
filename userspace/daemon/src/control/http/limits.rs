//! How much of the daemon one connection, and all of them, may take.

use std::time::Duration;

use onair_probe::share::{Percent, Share};

use crate::config::{Config, ms};

/// Limits of the control socket. Every time-out comes from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one more is told `overloaded` and closed.
    pub connections: usize,
    /// What of them is reserved, and what one user and one process may have.
    pub percent: Percent,
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
    /// A comment is sent to a reader of events after such a pause, so that one that has gone is
    /// noticed.
    pub keep_alive: Duration,
    /// At the end: answers under way may take this long.
    pub final_event: Duration,
}

impl Limits {
    /// As the configuration has them.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let (timeouts, limits) = (&config.timeouts, &config.limits);
        Self {
            connections: limits.http_connections,
            percent: limits.percent(),
            body_bytes: limits.http_body_bytes,
            head_bytes: limits.http_head_bytes,
            head: ms(timeouts.http_head_ms),
            body: ms(timeouts.http_body_ms),
            write: ms(timeouts.http_write_ms),
            keep_alive: ms(timeouts.http_keep_alive_ms),
            final_event: ms(timeouts.http_farewell_ms),
        }
    }
}

impl Limits {
    /// The connections, divided up.
    #[must_use]
    pub fn share(&self) -> Share {
        let (what, key) = (
            "connections on the control socket",
            "limits.http_connections",
        );
        Share::new(what, key, self.connections, self.percent)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(&Config::default())
    }
}
