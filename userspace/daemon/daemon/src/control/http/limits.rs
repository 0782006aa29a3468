//! How much of the daemon one connection, and all connections, may use.

use std::time::Duration;

use onair_settings::config::{Config, ms};
use onair_shares::{Percent, Share};

/// Limits of the control socket. All timeouts come from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more gets `overloaded` and is closed.
    pub connections: usize,
    /// Percentages: reserved ones, and the shares of one user and one process.
    pub percent: Percent,
    /// Longest body, in bytes.
    pub body_bytes: usize,
    /// Longest head of a request (names and values of its headers, and its target), in bytes.
    pub head_bytes: usize,
    /// Time until a request's head must be complete; an idle connection is closed after it.
    pub head: Duration,
    /// Time until a request's body must be complete.
    pub body: Duration,
    /// A client that reads nothing of an answer for this long is disconnected.
    pub write: Duration,
    /// Interval at which a reader of events gets a comment, so that the daemon notices readers that
    /// are gone.
    pub keep_alive: Duration,
    /// Time for answers in progress at the shutdown.
    pub final_event: Duration,
}

impl Limits {
    /// The limits from the configuration.
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
    /// The connections, as a share among users and processes.
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
