//! The kernels, once for vectors of 16 bytes and once for two of them side by side.
//!
//! Samples of 10 and 12 bits: a byte shuffle puts the two bytes that have a sample into one 16-bit lane; a
//! multiplication shifts each lane by its own 0, 2, 4 or 6 bits, which drops the bits of the sample
//! before; then the sample is in the lane's highest bits. The way back adds the shifted samples in
//! pairs (`pmaddwd`), then pairs of pairs, and a shuffle turns 40 bits into bytes.
//!
//! A vector of 32 bytes has in its upper half the next block, `STEP` bytes further: both halves do
//! the same.

use super::shuffles::{BY_PLANE, IN_ORDER, ZERO, scales_of, words, words_of};

/// Of Cb Y0 Cr Y1 … of 8 bits, 16 of them: luma, then Cb, then Cr.
const BYTES_BY_PLANE: [u8; 16] = [1, 3, 5, 7, 9, 11, 13, 15, 0, 4, 8, 12, 2, 6, 10, 14];
/// Of Cb Y0 Cr Y1 …: Y0 Cb Y1 Cr.
const LUMA_FIRST: [u8; 8] = [1, 0, 3, 2, 5, 4, 7, 6];
/// The way back, of the bytes of lanes.
const CHROMA_FIRST: [u8; 16] = [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13];
/// The low 40 bits of both 64-bit lanes, highest byte first.
const FORTY: [u8; 16] = [
    4, 3, 2, 1, 0, 12, 11, 10, 9, 8, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO,
];

/// Four numbers of 24 bits, highest byte first.
const TWENTY_FOUR: [u8; 16] = [
    2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, ZERO, ZERO, ZERO, ZERO,
];
/// R G B of four pixels, and a place for alpha.
const COLOURS: [u8; 16] = [0, 1, 2, ZERO, 3, 4, 5, ZERO, 6, 7, 8, ZERO, 9, 10, 11, ZERO];
const OPAQUE: [u8; 16] = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255];
/// The way back.
const WITHOUT_ALPHA: [u8; 16] = [
    0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, ZERO, ZERO, ZERO, ZERO,
];

/// v210: of the samples a, b, c of each word, a and c.
const OUTER: [u8; 8] = [0, 2, 3, 5, 6, 8, 9, 11];
/// b, in the upper lane of the word.
const MIDDLE: [u8; 8] = [0, 1, 0, 4, 0, 7, 0, 10];
/// Multipliers of the high half of the product: a stays a number of 10 bits, c is 16 times it.
const OUTER_DOWN: [u8; 16] = [0, 4, 0, 64, 0, 4, 0, 64, 0, 4, 0, 64, 0, 4, 0, 64];
/// The bits that remain of them: c has bits of the next sample below it.
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
        use super::super::block::{load, packed, store};
        use super::super::planes::depth;
        use super::*;

        /// Samples of 10 or 12 bits in the highest bits of their lanes. Bits below may be those of the
        /// next one.
        #[target_feature(enable = $feature)]
        #[inline]
        fn high_numbers<const BITS: u8>(pgroups: V, order: [u8; 8]) -> V {
            let words = shuffle(pgroups, each(words_of(BITS, order)));
            multiply(words, each(scales_of(BITS, order)))
        }

        /// Samples of a vector's worth of pixel groups, each in a lane: 16 of 8 bits, or 8.
        #[target_feature(enable = $feature)]
        #[inline]
        fn numbers<const BITS: u8>(pgroups: V) -> V {
            match BITS {
                8 => pgroups,
                _ => wide_numbers::<BITS>(pgroups, IN_ORDER),
            }
        }

        /// 4:2:2: luma, then Cb, then Cr.
        #[target_feature(enable = $feature)]
        #[inline]
        fn numbers_by_plane<const BITS: u8>(pgroups: V) -> V {
            match BITS {
                8 => shuffle(pgroups, each(BYTES_BY_PLANE)),
                _ => wide_numbers::<BITS>(pgroups, BY_PLANE),
            }
        }

        #[target_feature(enable = $feature)]
        #[inline]
        fn wide_numbers<const BITS: u8>(pgroups: V, order: [u8; 8]) -> V {
            match BITS {
                10 => down_16::<6>(high_numbers::<BITS>(pgroups, order)),
                12 => down_16::<4>(high_numbers::<BITS>(pgroups, order)),
                _ => shuffle(pgroups, each(words_of(BITS, order))),
            }
        }

        /// The opposite of [`numbers`], without the bits above the depth.
        #[target_feature(enable = $feature)]
        #[inline]
        fn packed_bytes<const BITS: u8>(samples: V) -> V {
            match BITS {
                8 => samples,
                10 => ten_bytes(and(samples, each(words(0x03ff)))),
                12 => twelve_bytes(and(samples, each(words(0x0fff)))),
                _ => shuffle(samples, each(words_of(BITS, IN_ORDER))),
            }
        }

        /// Eight samples of 10 bits.
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

        /// Eight samples of 12 bits.
        #[target_feature(enable = $feature)]
        #[inline]
        fn twelve_bytes(samples: V) -> V {
            // 4096 and 1: two samples in each 32-bit lane.
            let scales = [0, 16, 1, 0, 0, 16, 1, 0, 0, 16, 1, 0, 0, 16, 1, 0];
            shuffle(multiply_add(samples, each(scales)), each(TWENTY_FOUR))
        }

        /// Lanes of `SIZE` bytes of the lower halves of both, in turns.
        #[target_feature(enable = $feature)]
        #[inline]
        fn low<const SIZE: usize>(first: V, second: V) -> V {
            match SIZE {
                1 => low_8(first, second),
                _ => low_16(first, second),
            }
        }

        /// The same of the upper halves.
        #[target_feature(enable = $feature)]
        #[inline]
        fn high<const SIZE: usize>(first: V, second: V) -> V {
            match SIZE {
                1 => high_8(first, second),
                _ => high_16(first, second),
            }
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

        depth!($feature, eight, 8);
        depth!($feature, ten, 10);
        depth!($feature, twelve, 12);
        depth!($feature, sixteen, 16);

        #[target_feature(enable = $feature)]
        pub(in super::super) fn rgba_of_eight(pgroups: &[u8], pixels: &mut [u8]) {
            packed::<{ 12 * WIDE }, { 12 * WIDE + 4 }, { 16 * WIDE }, { 16 * WIDE }>(
                pgroups,
                pixels,
                |from, to| {
                    let colours = shuffle(read::<12>(from, 0), each(COLOURS));
                    write::<16>(to, 0, or(colours, each(OPAQUE)));
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn eight_of_rgba(pixels: &[u8], pgroups: &mut [u8]) {
            const OUT: usize = 12;
            packed::<{ 16 * WIDE }, { 16 * WIDE }, { OUT * WIDE }, { OUT * WIDE + 4 }>(
                pixels,
                pgroups,
                |from, to| {
                    let colours = shuffle(read::<16>(from, 0), each(WITHOUT_ALPHA));
                    for half in 0..WIDE {
                        store(to, half * OUT, half_of(colours, half));
                    }
                },
            );
        }

        #[target_feature(enable = $feature)]
        pub(in super::super) fn y210_of_ten(pgroups: &[u8], pixels: &mut [u8]) {
            packed::<{ 10 * WIDE }, { 10 * WIDE + 6 }, { 16 * WIDE }, { 16 * WIDE }>(
                pgroups,
                pixels,
                |from, to| {
                    let numbers = high_numbers::<10>(read::<10>(from, 0), LUMA_FIRST);
                    write::<16>(to, 0, and(numbers, each(words(0xffc0))));
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
                    let outer = multiply_high(high_numbers::<10>(pgroups, OUTER), each(OUTER_DOWN));
                    let outer = and(outer, each(OUTER_BITS));
                    // The lower lanes have another sample, which falls out below.
                    let middle = down_32::<22>(high_numbers::<10>(pgroups, MIDDLE));
                    write::<16>(to, 0, or(outer, up_32::<10>(middle)));
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
