//! How well something is.

/// A status, by its number in the monitoring feature set. `NcLinkStatus` has the same numbers without the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `Inactive` or `NotUsed`: as good as healthy.
    Neutral,
    /// `Healthy` or `AllUp`.
    Healthy,
    /// `PartiallyHealthy` or `SomeDown`.
    Partial,
    /// `Unhealthy` or `AllDown`.
    Unhealthy,
}

impl Level {
    /// Levels that are not good, the worst first.
    pub(super) const BAD: [Self; 2] = [Self::Unhealthy, Self::Partial];

    /// Its number in the feature set.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether the change to `next` is one to a less healthy status.
    pub(super) fn is_better_than(self, next: Self) -> bool {
        self.max(Self::Healthy) < next
    }
}

/// A level, and why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The level.
    pub level: Level,
    /// For people; `None` if all is well.
    pub reason: Option<String>,
}

impl Finding {
    /// Without a reason.
    #[must_use]
    pub const fn of(level: Level) -> Self {
        Self {
            level,
            reason: None,
        }
    }

    /// With one.
    #[must_use]
    pub const fn because(level: Level, reason: String) -> Self {
        Self {
            level,
            reason: Some(reason),
        }
    }
}

/// The domains of a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// `linkStatus`.
    Link,
    /// `connectionStatus` of a receiver, `transmissionStatus` of a sender.
    Transport,
    /// `externalSynchronizationStatus`.
    Synchronization,
    /// `streamStatus` of a receiver, `essenceStatus` of a sender.
    Essence,
}

impl Area {
    /// Each of them.
    pub const ALL: [Self; 4] = [
        Self::Link,
        Self::Transport,
        Self::Synchronization,
        Self::Essence,
    ];

    /// Whether its status is `Inactive` while the receiver or sender is.
    pub(super) const fn is_inactive_at_rest(self) -> bool {
        matches!(self, Self::Transport | Self::Essence)
    }
}
