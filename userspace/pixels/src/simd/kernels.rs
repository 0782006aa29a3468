//! The kernels, once for vectors of 16 bytes and once for two of them side by side.
//!
//! Samples of 10 bits: a byte shuffle puts the two bytes that have a sample into one 16-bit lane; a
//! multiplication shifts each lane by its own 0, 2, 4 or 6 bits, which drops the bits of the sample
//! before; then the sample is in the lane's highest 10 bits. The way back adds the shifted samples in
//! pairs (`pmaddwd`), then pairs of pairs, and a shuffle turns 40 bits into bytes.
//!
//! A vector of 32 bytes has in its upper half the next block, `STEP` bytes further: both halves do
//! the same.

/// Places of bytes that a shuffle leaves zero.
const ZERO: u8 = 0x80;

/// Shuffle: the bytes of samples 0 to 7 of ten bits, low byte first, in this order.
const fn words_of(order: [u8; 8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut at = 0;
    while at < 8 {
        let first = order[at] * 10 / 8;
        (bytes[2 * at], bytes[2 * at + 1]) = (first + 1, first);
        at += 1;
    }
    bytes
}

/// Multipliers that bring these samples to the highest bits of their lanes, low byte first.
const fn scales_of(order: [u8; 8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut at = 0;
    while at < 8 {
        bytes[2 * at] = 1 << (order[at] * 10 % 8);
        at += 1;
    }
    bytes
}

/// The same 16-bit number in each lane, low byte first.
const fn words(low: u8, high: u8) -> [u8; 16] {
    let mut bytes = [low; 16];
    let mut at = 1;
    while at < 16 {
        bytes[at] = high;
        at += 2;
    }
    bytes
}

/// Of Cb Y0 Cr Y1 Cb Y2 Cr Y3: luma, then Cb, then Cr.
const BY_PLANE: [u8; 8] = [1, 3, 5, 7, 0, 4, 2, 6];
/// The same of two vectors' worth of bytes.
const BYTES_BY_PLANE: [u8; 16] = [1, 3, 5, 7, 9, 11, 13, 15, 0, 4, 8, 12, 2, 6, 10, 14];
/// Of Cb Y0 Cr Y1 …: Y0 Cb Y1 Cr.
const LUMA_FIRST: [u8; 8] = [1, 0, 3, 2, 5, 4, 7, 6];
/// The way back, of the bytes of lanes.
const CHROMA_FIRST: [u8; 16] = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13];
/// The low 40 bits of both 64-bit lanes, highest byte first.
const FORTY: [u8; 16] = [
    4, 3, 2, 1, 0, 12, 11, 10, 9, 8, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO,
];

/// v210: of the samples a, b, c of each word, a and c.
const OUTER: [u8; 8] = [0, 2, 3, 5, 6, 8, 9, 11];
/// b, in the upper lane of the word.
const MIDDLE: [u8; 8] = [0, 1, 0, 4, 0, 7, 0, 10];
/// Multipliers of the high half of the product: a stays a number of 10 bits, c is 16 times it.
const OUTER_DOWN: [u8; 16] = [0, 4, 0, 64, 0, 4, 0, 64, 0, 4, 0, 64, 0, 4, 0, 64];
/// What remains of them: c has bits of the next sample below it.
const OUTER_BITS: [u8; 16] = [
    0xff, 0x03, 0xf0, 0x3f, 0xff, 0x03, 0xf0, 0x3f, 0xff, 0x03, 0xf0, 0x3f, 0xff, 0x03, 0xf0, 0x3f,
];
/// 60 bits shifted up by 4 in the first 64-bit lane, highest byte first.
const SIXTY_FIRST: [u8; 16] = [
    7, 6, 5, 4, 3, 2, 1, 0, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO,
];
/// 60 bits in the second one, from the middle of a byte on.
const SIXTY_SECOND: [u8; 16] = [
    ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, 15, 14, 13, 12, 11, 10, 9, 8, ZERO,
];

macro_rules! kernels {
    ($feature:literal) => {
        use super::super::block::{apart, load, packed, store, together};
        use super::*;

        /// Two pixel groups of 10 bits as 8 numbers, in the highest bits of their lanes.
        #[target_feature(enable = $feature)]
        #[inline]
        fn numbers(pgroups: V, order: [u8; 8]) -> V {
            let words = shuffle(pgroups, each(words_of(order)));
            multiply(words, each(scales_of(order)))
        }

        /// The opposite: Cb Y Cr Y … of 10 bits each as 10 bytes.
        #[target_feature(enable = $feature)]
        #[inline]
        fn ten_bytes(samples: V) -> V {
            // 1024 and 1: two samples in each 32-bit lane.
            let scales = [0, 4, 1, 0, 0, 4, 1, 0, 0, 4, 1, 0, 0, 4, 1, 0];
            let twenty = multiply_add(samples, each(scales));
            let up = [0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0];
            let forty = or(multiply_even(twenty, each(up)), down_64::<32>(twenty));
            shuffle(forty, each(FORTY))
        }

        /// Four vectors that each have luma, Cb and Cr (8, 4 and 4 bytes) as two of luma, one of Cb
        /// and one of Cr.
        #[target_feature(enable = $feature)]
        #[inline]
        fn by_plane([a, b, c, d]: [V; 4]) -> [V; 4] {
            let luma = [low_64(a, b), low_64(c, d)];
            // Cb Cr Cb Cr, 4 bytes each, as Cb Cb Cr Cr.
            let one = shuffle_32::<0b11_01_10_00>(high_64(a, b));
            let other = shuffle_32::<0b11_01_10_00>(high_64(c, d));
            [luma[0], luma[1], low_64(one, other), high_64(one, other)]
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn planes_of_ten(pgroups: &[u8], planes: [&mut [u8]; 3]) {
            const IN: usize = 40;
            apart::<{ IN * WIDE }, { IN * WIDE + 6 }, { 32 * WIDE }, { 16 * WIDE }>(
                pgroups,
                planes,
                |from, luma, blue, red| {
                    let of = |at: usize| {
                        let pgroups = read::<IN>(from, at * 10);
                        down_16::<6>(numbers(pgroups, BY_PLANE))
                    };
                    let [y0, y1, cb, cr] = by_plane([of(0), of(1), of(2), of(3)]);
                    write::<32>(luma, 0, y0);
                    write::<32>(luma, 16, y1);
                    write::<16>(blue, 0, cb);
                    write::<16>(red, 0, cr);
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn planes_of_eight(pgroups: &[u8], planes: [&mut [u8]; 3]) {
            const IN: usize = 64;
            apart::<{ IN * WIDE }, { IN * WIDE }, { 32 * WIDE }, { 16 * WIDE }>(
                pgroups,
                planes,
                |from, luma, blue, red| {
                    let of = |at: usize| shuffle(read::<IN>(from, at * 16), each(BYTES_BY_PLANE));
                    let [y0, y1, cb, cr] = by_plane([of(0), of(1), of(2), of(3)]);
                    write::<32>(luma, 0, y0);
                    write::<32>(luma, 16, y1);
                    write::<16>(blue, 0, cb);
                    write::<16>(red, 0, cr);
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn y210_of_ten(pgroups: &[u8], pixels: &mut [u8]) {
            packed::<{ 10 * WIDE }, { 10 * WIDE + 6 }, { 16 * WIDE }, { 16 * WIDE }>(
                pgroups,
                pixels,
                |from, to| {
                    let numbers = numbers(read::<10>(from, 0), LUMA_FIRST);
                    write::<16>(to, 0, and(numbers, each(words(0xc0, 0xff))));
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn v210_of_ten(pgroups: &[u8], line: &mut [u8]) {
            packed::<{ 15 * WIDE }, { 15 * WIDE + 1 }, { 16 * WIDE }, { 16 * WIDE }>(
                pgroups,
                line,
                |from, to| {
                    let pgroups = read::<15>(from, 0);
                    let outer = multiply_high(numbers(pgroups, OUTER), each(OUTER_DOWN));
                    let outer = and(outer, each(OUTER_BITS));
                    // The lower lanes have another sample, which falls out below.
                    let middle = down_32::<22>(numbers(pgroups, MIDDLE));
                    write::<16>(to, 0, or(outer, up_32::<10>(middle)));
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn ten_of_planes(planes: [&[u8]; 3], pgroups: &mut [u8]) {
            const OUT: usize = 40;
            together::<{ 32 * WIDE }, { 16 * WIDE }, { OUT * WIDE }, { OUT * WIDE + 6 }>(
                planes,
                pgroups,
                |luma, blue, red, to| {
                    let ten = each(words(0xff, 0x03));
                    let y0 = and(read::<32>(luma, 0), ten);
                    let y1 = and(read::<32>(luma, 16), ten);
                    let cb = and(read::<16>(blue, 0), ten);
                    let cr = and(read::<16>(red, 0), ten);
                    let (one, other) = (low_16(cb, cr), high_16(cb, cr));
                    let all = [
                        ten_bytes(low_16(one, y0)),
                        ten_bytes(high_16(one, y0)),
                        ten_bytes(low_16(other, y1)),
                        ten_bytes(high_16(other, y1)),
                    ];
                    // Each write ends in bytes of the next one, so the order counts.
                    for half in 0..WIDE {
                        for (at, vector) in all.into_iter().enumerate() {
                            store(to, half * OUT + at * 10, half_of(vector, half));
                        }
                    }
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn eight_of_planes(planes: [&[u8]; 3], pgroups: &mut [u8]) {
            const OUT: usize = 64;
            together::<{ 32 * WIDE }, { 16 * WIDE }, { OUT * WIDE }, { OUT * WIDE }>(
                planes,
                pgroups,
                |luma, blue, red, to| {
                    let (y0, y1) = (read::<32>(luma, 0), read::<32>(luma, 16));
                    let (cb, cr) = (read::<16>(blue, 0), read::<16>(red, 0));
                    let (one, other) = (low_8(cb, cr), high_8(cb, cr));
                    write::<OUT>(to, 0, low_8(one, y0));
                    write::<OUT>(to, 16, high_8(one, y0));
                    write::<OUT>(to, 32, low_8(other, y1));
                    write::<OUT>(to, 48, high_8(other, y1));
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn ten_of_y210(pixels: &[u8], pgroups: &mut [u8]) {
            const OUT: usize = 10;
            packed::<{ 16 * WIDE }, { 16 * WIDE }, { OUT * WIDE }, { OUT * WIDE + 6 }>(
                pixels,
                pgroups,
                |from, to| {
                    let samples = down_16::<6>(read::<16>(from, 0));
                    let bytes = ten_bytes(shuffle(samples, each(CHROMA_FIRST)));
                    for half in 0..WIDE {
                        store(to, half * OUT, half_of(bytes, half));
                    }
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn ten_of_v210(line: &[u8], pgroups: &mut [u8]) {
            const OUT: usize = 15;
            packed::<{ 16 * WIDE }, { 16 * WIDE }, { OUT * WIDE }, { OUT * WIDE + 1 }>(
                line,
                pgroups,
                |from, to| {
                    let words = read::<16>(from, 0);
                    let mask = |a, b, c, d| each([a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]);
                    // The samples c b a from the highest bit on become a b c.
                    let first = and(up_32::<20>(words), mask(0, 0, 0xf0, 0x3f));
                    let second = and(words, mask(0, 0xfc, 0x0f, 0));
                    let third = and(down_32::<20>(words), mask(0xff, 0x03, 0, 0));
                    let thirty = or(or(first, second), third);
                    let up = [0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0];
                    let sixty = or(multiply_even(thirty, each(up)), down_64::<32>(thirty));
                    let bytes = or(
                        shuffle(up_64::<4>(sixty), each(SIXTY_FIRST)),
                        shuffle(sixty, each(SIXTY_SECOND)),
                    );
                    for half in 0..WIDE {
                        store(to, half * OUT, half_of(bytes, half));
                    }
                },
            );
        }
    };
}

/// Vectors of 16 bytes.
pub(super) mod ssse3 {
    use std::arch::x86_64::{
        __m128i as V, _mm_and_si128 as and, _mm_madd_epi16 as multiply_add,
        _mm_mul_epu32 as multiply_even, _mm_mulhi_epu16 as multiply_high,
        _mm_mullo_epi16 as multiply, _mm_or_si128 as or, _mm_shuffle_epi8 as shuffle,
        _mm_shuffle_epi32 as shuffle_32, _mm_slli_epi32 as up_32, _mm_slli_epi64 as up_64,
        _mm_srli_epi16 as down_16, _mm_srli_epi32 as down_32, _mm_srli_epi64 as down_64,
        _mm_unpackhi_epi8 as high_8, _mm_unpackhi_epi16 as high_16, _mm_unpackhi_epi64 as high_64,
        _mm_unpacklo_epi8 as low_8, _mm_unpacklo_epi16 as low_16, _mm_unpacklo_epi64 as low_64,
    };

    /// Halves of a vector.
    const WIDE: usize = 1;

    #[target_feature(enable = "ssse3")]
    #[inline]
    fn each(bytes: [u8; 16]) -> V {
        load(&bytes, 0)
    }

    #[target_feature(enable = "ssse3")]
    #[inline]
    fn read<const STEP: usize>(bytes: &[u8], at: usize) -> V {
        load(bytes, at)
    }

    #[target_feature(enable = "ssse3")]
    #[inline]
    fn write<const STEP: usize>(bytes: &mut [u8], at: usize, vector: V) {
        store(bytes, at, vector);
    }

    #[target_feature(enable = "ssse3")]
    #[inline]
    fn half_of(vector: V, _half: usize) -> V {
        vector
    }

    kernels!("ssse3");
}

/// Vectors of twice 16 bytes.
pub(super) mod avx2 {
    use std::arch::x86_64::{
        __m128i, __m256i as V, _mm256_and_si256 as and, _mm256_broadcastsi128_si256,
        _mm256_extracti128_si256, _mm256_madd_epi16 as multiply_add,
        _mm256_mul_epu32 as multiply_even, _mm256_mulhi_epu16 as multiply_high,
        _mm256_mullo_epi16 as multiply, _mm256_or_si256 as or, _mm256_set_m128i,
        _mm256_shuffle_epi8 as shuffle, _mm256_shuffle_epi32 as shuffle_32,
        _mm256_slli_epi32 as up_32, _mm256_slli_epi64 as up_64, _mm256_srli_epi16 as down_16,
        _mm256_srli_epi32 as down_32, _mm256_srli_epi64 as down_64, _mm256_unpackhi_epi8 as high_8,
        _mm256_unpackhi_epi16 as high_16, _mm256_unpackhi_epi64 as high_64,
        _mm256_unpacklo_epi8 as low_8, _mm256_unpacklo_epi16 as low_16,
        _mm256_unpacklo_epi64 as low_64,
    };

    /// Halves of a vector.
    const WIDE: usize = 2;

    #[target_feature(enable = "avx2")]
    #[inline]
    fn each(bytes: [u8; 16]) -> V {
        _mm256_broadcastsi128_si256(load(&bytes, 0))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn read<const STEP: usize>(bytes: &[u8], at: usize) -> V {
        _mm256_set_m128i(load(bytes, at + STEP), load(bytes, at))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn write<const STEP: usize>(bytes: &mut [u8], at: usize, vector: V) {
        store(bytes, at, half_of(vector, 0));
        store(bytes, at + STEP, half_of(vector, 1));
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn half_of(vector: V, half: usize) -> __m128i {
        match half {
            0 => _mm256_extracti128_si256::<0>(vector),
            _ => _mm256_extracti128_si256::<1>(vector),
        }
    }

    kernels!("avx2");
}
