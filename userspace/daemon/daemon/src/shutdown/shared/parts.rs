//! Registrations of the parts of the daemon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_settings::config::ShutdownConfig;

use super::flags::Flags;
use crate::shutdown::sequence::{PartKind, PartToEnd};

/// Why a part did not end in order: an error of the part, for the report.
pub type PartError = Box<dyn std::error::Error + Send + Sync>;

/// A resource that a part leaves behind because it does not end: the part counts as timed out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LeftBehind(pub String);

/// Ends a part; may block.
pub(in crate::shutdown) type EndPart = Box<dyn FnOnce(&Waiting) -> Result<(), PartError> + Send>;

/// Time-out of a part. A configured value is read when the part's turn comes: a reload may have
/// changed it since the registration.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// A fixed time.
    Fixed(Duration),
    /// `timeouts.graceful_ms`, plus `shutdown.handler_ms`.
    Graceful,
    /// `shutdown.handler_ms`.
    Handler,
    /// `shutdown.cleanup_ms`.
    Cleanup,
}

impl From<Duration> for Limit {
    fn from(limit: Duration) -> Self {
        Self::Fixed(limit)
    }
}

/// The configured limits of the shutdown.
#[derive(Clone, Copy, Debug)]
pub(in crate::shutdown) struct Times {
    pub(in crate::shutdown) config: ShutdownConfig,
    /// `timeouts.graceful_ms`.
    pub(in crate::shutdown) graceful: Duration,
}

impl Times {
    /// The part of `limit` that the log counts down: users have `graceful_ms`.
    fn counted(&self, limit: Limit) -> Duration {
        match limit {
            Limit::Graceful => self.graceful,
            limit => self.of(limit),
        }
    }

    fn of(&self, limit: Limit) -> Duration {
        match limit {
            Limit::Fixed(limit) => limit,
            Limit::Graceful => self.graceful + self.config.handler(),
            Limit::Handler => self.config.handler(),
            Limit::Cleanup => self.config.cleanup(),
        }
    }
}

/// Registered parts, by kind, in the order of registration.
#[derive(Default)]
pub(in crate::shutdown) struct Parts(BTreeMap<PartKind, Vec<RegisteredPart>>);

struct RegisteredPart {
    name: String,
    priority: u8,
    limit: Limit,
    run: EndPart,
}

impl Parts {
    pub(in crate::shutdown) fn add(
        &mut self,
        kind: PartKind,
        name: impl Into<String>,
        priority: u8,
        limit: impl Into<Limit>,
        run: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        self.0.entry(kind).or_default().push(RegisteredPart {
            name: name.into(),
            priority,
            limit: limit.into(),
            run: Box::new(run),
        });
    }

    /// Removes those of a kind, with the limits that apply now.
    pub(in crate::shutdown) fn take(
        &mut self,
        kind: PartKind,
        times: Times,
    ) -> Vec<PartToEnd<EndPart>> {
        let parts = self.0.remove(&kind).unwrap_or_default().into_iter();
        let parts = parts.map(|part| PartToEnd {
            name: part.name,
            priority: part.priority,
            limit: times.of(part.limit),
            counted: times.counted(part.limit),
            run: part.run,
        });
        parts.collect()
    }
}

/// The time that a part has to end in.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub(in crate::shutdown) deadline: Instant,
    pub(in crate::shutdown) flags: Arc<Flags>,
}

impl Waiting {
    /// When the part is left behind.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Time given to the part.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether the shutdown was forced: end at once, in order or not.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.flags.is_forced()
    }
}
