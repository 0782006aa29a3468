//! The counters of the BPF programs.

/// Index into `stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stat {
    /// Waits that were recorded.
    Begin,
    /// Recorded waits that returned.
    End,
    /// Begins of threads that are not registered.
    Unknown,
    /// Begins that found `waiters` full.
    Full,
    /// Events that found no room in the ring.
    RingFull,
    /// Ends without a recorded begin.
    EndNone,
    /// Begins that replaced one of the same thread.
    BeginAgain,
    /// Threads of clients that ended.
    Exit,
    /// Recorded waits that were ended by an exit or an exec.
    Residue,
    /// Map operations that failed for another reason.
    Error,
    /// Begins of a process that only shares a registered pid.
    Stale,
    /// Canaries that came through.
    Canary,
}

impl Stat {
    /// All counters, in the order of their index.
    pub const ALL: [Self; 12] = [
        Self::Begin,
        Self::End,
        Self::Unknown,
        Self::Full,
        Self::RingFull,
        Self::EndNone,
        Self::BeginAgain,
        Self::Exit,
        Self::Residue,
        Self::Error,
        Self::Stale,
        Self::Canary,
    ];

    /// Index into the array.
    pub fn index(self) -> u32 {
        self as u32
    }

    /// Name for metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::End => "end",
            Self::Unknown => "unknown",
            Self::Full => "full",
            Self::RingFull => "ring_full",
            Self::EndNone => "end_none",
            Self::BeginAgain => "begin_again",
            Self::Exit => "exit",
            Self::Residue => "residue",
            Self::Error => "error",
            Self::Stale => "stale",
            Self::Canary => "canary",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_index_then_its_place_in_all() {
        for (place, stat) in Stat::ALL.into_iter().enumerate() {
            assert_eq!(usize::try_from(stat.index()), Ok(place));
        }
    }
}
