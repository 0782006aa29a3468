//! Domains of a monitor.

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
