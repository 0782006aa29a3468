//! Deeds of operators, and faults of the disk and the daemon.

use onair_sim_kernel::Random;

/// Names of sessions.
pub(super) const NAMES: usize = 4;
/// The longest of the pauses before deeds, ns, by the kind of a life.
const PAUSES: [u64; 4] = [2_000, 2_000_000, 400_000_000, 3_000_000_000];

/// One deed, some time after the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskDeed {
    /// Pause before it, ns.
    pub(crate) after: u64,
    /// The deed.
    pub(crate) kind: DiskDeedKind,
    /// To which session.
    pub(crate) session: usize,
    /// Which one, or when: reduced to what there is.
    pub(crate) which: u64,
}

/// A deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskDeedKind {
    /// Create and start a session.
    Create,
    /// Stop it.
    Stop,
    /// Start it.
    Start,
    /// Give it other addresses.
    Retarget,
    /// Destroy it.
    Destroy,
    /// Evict its clients and destroy it.
    Abort,
    /// Quarantine it.
    Quarantine,
    /// Ask for a certificate.
    Show,
    /// A process unmaps the memory of an ended session: its certificate is completed.
    Unmap,
    /// The disk is full.
    Fill,
    /// It has room again.
    Empty,
    /// Some of its operations fail.
    Break,
    /// Some take long.
    Slow,
    /// It works again, and has room.
    Mend,
    /// The daemon is killed, at a later operation of the disk or at its next answer.
    Kill,
    /// The same, of the machine.
    CutPower,
    /// The daemon ends in order, and is started again.
    Restart,
    /// The daemon is killed, and a byte of a file changes.
    Damage,
}

/// A whole life.
#[derive(Clone, Debug)]
pub(crate) struct DiskPlan {
    /// All chance comes from it.
    pub(crate) seed: u64,
    /// The deeds, in order.
    pub(crate) deeds: Vec<DiskDeed>,
    /// Of 256 steps, so many leave the processor to the task that made them.
    pub(crate) stay: u8,
    /// Of 256 operations, so many have something written back by itself.
    pub(crate) write_back: u64,
    /// Size of the write-ahead log, in blocks.
    pub(crate) log_blocks: usize,
    /// Certificates to keep.
    pub(crate) certificates: usize,
    /// Of 4 sessions, so many are persistent.
    pub(crate) persistent: usize,
    /// Of 4 ended sessions, so many have memory that a process has mapped.
    pub(crate) mapped: u64,
    /// From the start some of the disk's operations fail.
    pub(crate) is_flaky: bool,
}

impl DiskPlan {
    /// The life of `seed`.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        use DiskDeedKind as Kind;
        let mut random = Random::new(seed ^ 0xd15c_5eed);
        let mut below = |limit: u64| usize::try_from(random.below(limit)).unwrap_or(0);
        let (is_sound, pause) = (below(3) == 0, PAUSES[below(4)]);
        let deeds = (0..4 + below(24))
            .map(|_| DiskDeed {
                after: {
                    let longest = [PAUSES[below(4)], pause, pause, pause][below(4)];
                    below(longest) as u64
                },
                kind: match below(32) {
                    0..=6 => Kind::Create,
                    7 | 8 => Kind::Stop,
                    9 => Kind::Start,
                    10 | 11 => Kind::Retarget,
                    12..=16 => Kind::Destroy,
                    17 => Kind::Abort,
                    18 => Kind::Quarantine,
                    19 => Kind::Show,
                    20 | 21 => Kind::Unmap,
                    22 => Kind::Restart,
                    23 | 24 => Kind::Kill,
                    25..=27 => Kind::CutPower,
                    _ if is_sound => Kind::Show,
                    28 => Kind::Fill,
                    29 => Kind::Break,
                    30 => Kind::Mend,
                    _ => [Kind::Slow, Kind::Empty, Kind::Damage][below(3)],
                },
                session: below(NAMES as u64),
                which: {
                    let most = [4, 16, 64][below(3)];
                    below(most) as u64
                },
            })
            .collect();
        Self {
            seed,
            deeds,
            stay: [0, 64, 128, 240][below(4)],
            write_back: [0, 8, 128][below(3)],
            log_blocks: [2, 4, 64][below(3)],
            certificates: [3, 100, 100][below(3)],
            persistent: [2, 4, 4][below(3)],
            mapped: [0, 1, 3][below(3)],
            is_flaky: !is_sound && below(3) == 0,
        }
    }
}
