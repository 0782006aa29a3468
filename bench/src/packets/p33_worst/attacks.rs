//! The packets of a stranger that are tried.

/// What the forger changes of the packet of the stream that came before.
#[derive(Clone, Copy)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// What it adds to the sequence number, and as much more with each of its packets.
    pub(super) numbers: [u32; 2],
    /// The same of the timestamp.
    pub(super) ticks: [u32; 2],
    /// After so many packets it begins again with the first.
    pub(super) cycle: u32,
    /// It sends so many after each of the stream.
    pub(super) times: u32,
    /// Bytes of its packets, and whether it chooses the first ones of the payload.
    pub(super) bytes: (usize, bool),
}

const WHOLE: (usize, bool) = (usize::MAX, false);

/// By name, then numbers, ticks, cycle, times and bytes. The last ones were found by a search among some thousand.
pub(super) const ATTACKS: [Attack; 11] = [
    attack("another timestamp each", [1, 1], [1, 1], 8, 1, WHOLE),
    attack(
        "another unit each",
        [1, 1],
        [1_800, 1_800],
        u32::MAX,
        4,
        WHOLE,
    ),
    attack("a second ahead", [1, 0], [90_000, 90_000], 8, 1, WHOLE),
    attack("far ahead by number", [20_000, 0], [0, 0], 1, 1, WHOLE),
    attack(
        "far ahead, two that agree",
        [20_000, 1],
        [0, 0],
        2,
        2,
        WHOLE,
    ),
    attack(
        "anything",
        [0x9e37, 1],
        [0x9e37_79b9, 0x9e37_79b9],
        u32::MAX,
        2,
        WHOLE,
    ),
    attack(
        "small packets of the unit in any order",
        [500, 1],
        [0, 0],
        u32::MAX,
        4,
        (30, true),
    ),
    attack("far apart in the unit", [700, 40_503], [0, 0], 3, 1, WHOLE),
    attack("some ahead of the stream", [9, 2], [48, 0], 64, 1, WHOLE),
    attack(
        "before and after",
        [5_000, 2],
        [0xffff_f1f0, 90_000],
        8,
        1,
        WHOLE,
    ),
    attack(
        "some before, as often",
        [0xffff_ffec, 7],
        [1, 0xffff_fe3e],
        u32::MAX,
        2,
        WHOLE,
    ),
];

/// The same, of packets that are refused.
pub(super) const REFUSED: [Attack; 2] = [
    attack("the next number", [1, 0], [0, 0], 1, 1, WHOLE),
    attack("any number", [0x9e37, 1], [0, 90_000], 99, 2, WHOLE),
];

const fn attack(
    name: &'static str,
    numbers: [u32; 2],
    ticks: [u32; 2],
    cycle: u32,
    times: u32,
    bytes: (usize, bool),
) -> Attack {
    Attack {
        name,
        numbers,
        ticks,
        cycle,
        times,
        bytes,
    }
}
