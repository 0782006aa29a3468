//! Byte shuffles, as tables that the compiler computes.

/// Places of bytes that a shuffle leaves zero.
pub(super) const ZERO: u8 = 0x80;

/// The places of all bytes of a vector, in order.
const BYTES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// The places of all samples of a vector, in order.
pub(super) const IN_ORDER: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
/// Of Cb Y0 Cr Y1 Cb Y2 Cr Y3: luma, then Cb, then Cr.
pub(super) const BY_PLANE: [u8; 8] = [1, 3, 5, 7, 0, 4, 2, 6];

/// The two bytes that have each sample of `bits` bits, low byte first, in this order.
pub(super) const fn words_of(bits: u8, order: [u8; 8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut at = 0;
    while at < 8 {
        let first = order[at] * bits / 8;
        (bytes[2 * at], bytes[2 * at + 1]) = (first + 1, first);
        at += 1;
    }
    bytes
}

/// Multipliers that bring these samples to the highest bits of their lanes, low byte first.
pub(super) const fn scales_of(bits: u8, order: [u8; 8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut at = 0;
    while at < 8 {
        bytes[2 * at] = 1 << (order[at] * bits % 8);
        at += 1;
    }
    bytes
}

/// The same 16-bit number in each lane.
pub(super) const fn words(word: u16) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut at = 0;
    while at < 8 {
        [bytes[2 * at], bytes[2 * at + 1]] = word.to_le_bytes();
        at += 1;
    }
    bytes
}

/// Components that follow each other in pixel groups.
#[derive(Clone, Copy)]
pub(super) enum Pattern {
    /// One sample of each of three components.
    Full,
    /// Two of the upper line, two of the lower one, Cb, Cr. Cb and Cr share a vector, half each.
    Quarter,
}

impl Pattern {
    /// Vector and lane of sample `at` of three vectors of `lanes` lanes.
    const fn place(self, at: usize, lanes: usize) -> (usize, usize) {
        let (group, of) = (at / 6, at % 6);
        match self {
            Self::Full => (at % 3, at / 3),
            Self::Quarter => match of {
                0 | 1 => (0, 2 * group + of),
                2 | 3 => (1, 2 * group + of - 2),
                4 => (2, group),
                _ => (2, lanes / 2 + group),
            },
        }
    }

    /// Bytes that vector `component` of one component has of vector `packed` of the pixel groups, if they are taken
    /// `apart`; else the opposite. Samples have `size` bytes.
    const fn shuffle(self, size: usize, packed: usize, component: usize, apart: bool) -> [u8; 16] {
        let lanes = 16 / size;
        let mut bytes = [ZERO; 16];
        let mut own = 0;
        while own < lanes {
            let (vector, lane) = self.place(packed * lanes + own, lanes);
            let (to, from) = if apart { (lane, own) } else { (own, lane) };
            let mut byte = 0;
            while vector == component && byte < size {
                bytes[to * size + byte] = BYTES[from * size + byte];
                byte += 1;
            }
            own += 1;
        }
        bytes
    }
}

/// The shuffles of each vector that is made, and of each that it is made of.
pub(super) const fn shuffles(pattern: Pattern, size: usize, apart: bool) -> [[[u8; 16]; 3]; 3] {
    let mut all = [[[0; 16]; 3]; 3];
    let mut at = 0;
    while at < 9 {
        let (to, from) = (at / 3, at % 3);
        all[to][from] = if apart {
            pattern.shuffle(size, from, to, apart)
        } else {
            pattern.shuffle(size, to, from, apart)
        };
        at += 1;
    }
    all
}
