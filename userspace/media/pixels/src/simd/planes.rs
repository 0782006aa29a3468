//! Kernels between pixel groups and planes, for each depth and each chroma.
//!
//! Samples become one vector after the other in the order of the pixel groups, each in a lane of its own
//! (`numbers`); then each plane takes its own out of three vectors, by three shuffles. 4:2:2 has cheaper
//! ways. The way back is the opposite (`packed_bytes`).

/// The kernels of one depth. A vector has `BYTES` bytes of pixel groups; a sample in a plane has `SIZE`.
macro_rules! depth {
    ($feature:literal, $depth:ident, $bits:literal) => {
        pub(in super::super) mod $depth {
            use super::super::super::block::{apart, packed, store, together};
            use super::super::super::shuffles::{Pattern, shuffles};
            use super::*;

            const SIZE: usize = if $bits == 8 { 1 } else { 2 };
            const BYTES: usize = if $bits == 8 { 16 } else { $bits };
            /// Bytes that a write or read of a vector touches beyond its own.
            const MORE: usize = 16 - BYTES;

            /// The samples of one component in three vectors of all.
            #[target_feature(enable = $feature)]
            #[inline]
            fn taken([a, b, c]: [V; 3], [first, second, third]: [[u8; 16]; 3]) -> V {
                let both = or(shuffle(a, each(first)), shuffle(b, each(second)));
                or(both, shuffle(c, each(third)))
            }

            /// Each vector ends in bytes of the next one, so the order counts.
            #[target_feature(enable = $feature)]
            #[inline]
            fn write_all<const N: usize>(to: &mut [u8], vectors: [V; N]) {
                for half in 0..WIDE {
                    let mut at = 0;
                    while at < N {
                        let bytes = packed_bytes::<$bits>(vectors[at]);
                        store(to, (half * N + at) * BYTES, half_of(bytes, half));
                        at += 1;
                    }
                }
            }

            /// Three components of full size: the first in each lane, the second, the third.
            #[target_feature(enable = $feature)]
            pub(in super::super::super) fn full(pgroups: &[u8], lines: [&mut [u8]; 4]) {
                const IN: usize = 3 * BYTES;
                const SHUFFLES: [[[u8; 16]; 3]; 3] = shuffles(Pattern::Full, SIZE, true);
                apart::<{ IN * WIDE }, { IN * WIDE + MORE }, { 16 * WIDE }, 0, { 16 * WIDE }>(
                    pgroups,
                    lines,
                    |from, first, _, second, third| {
                        let a = numbers::<$bits>(read::<IN>(from, 0));
                        let b = numbers::<$bits>(read::<IN>(from, BYTES));
                        let c = numbers::<$bits>(read::<IN>(from, 2 * BYTES));
                        write::<16>(first, 0, taken([a, b, c], SHUFFLES[0]));
                        write::<16>(second, 0, taken([a, b, c], SHUFFLES[1]));
                        write::<16>(third, 0, taken([a, b, c], SHUFFLES[2]));
                    },
                );
            }

            #[target_feature(enable = $feature)]
            pub(in super::super::super) fn of_full(lines: [&[u8]; 4], pgroups: &mut [u8]) {
                const OUT: usize = 3 * BYTES;
                const SHUFFLES: [[[u8; 16]; 3]; 3] = shuffles(Pattern::Full, SIZE, false);
                together::<{ 16 * WIDE }, 0, { 16 * WIDE }, { OUT * WIDE }, { OUT * WIDE + MORE }>(
                    lines,
                    pgroups,
                    |first, _, second, third, to| {
                        let a = read::<16>(first, 0);
                        let b = read::<16>(second, 0);
                        let c = read::<16>(third, 0);
                        let all = [
                            taken([a, b, c], SHUFFLES[0]),
                            taken([a, b, c], SHUFFLES[1]),
                            taken([a, b, c], SHUFFLES[2]),
                        ];
                        write_all(to, all);
                    },
                );
            }

            /// 4:2:2.
            #[target_feature(enable = $feature)]
            pub(in super::super::super) fn half(pgroups: &[u8], lines: [&mut [u8]; 4]) {
                const IN: usize = 4 * BYTES;
                apart::<{ IN * WIDE }, { IN * WIDE + MORE }, { 32 * WIDE }, 0, { 16 * WIDE }>(
                    pgroups,
                    lines,
                    |from, luma, _, blue, red| {
                        let a = numbers_by_plane::<$bits>(read::<IN>(from, 0));
                        let b = numbers_by_plane::<$bits>(read::<IN>(from, BYTES));
                        let c = numbers_by_plane::<$bits>(read::<IN>(from, 2 * BYTES));
                        let d = numbers_by_plane::<$bits>(read::<IN>(from, 3 * BYTES));
                        let [y0, y1, cb, cr] = by_plane([a, b, c, d]);
                        write::<32>(luma, 0, y0);
                        write::<32>(luma, 16, y1);
                        write::<16>(blue, 0, cb);
                        write::<16>(red, 0, cr);
                    },
                );
            }

            #[target_feature(enable = $feature)]
            pub(in super::super::super) fn of_half(lines: [&[u8]; 4], pgroups: &mut [u8]) {
                const OUT: usize = 4 * BYTES;
                together::<{ 32 * WIDE }, 0, { 16 * WIDE }, { OUT * WIDE }, { OUT * WIDE + MORE }>(
                    lines,
                    pgroups,
                    |luma, _, blue, red, to| {
                        let (y0, y1) = (read::<32>(luma, 0), read::<32>(luma, 16));
                        let (cb, cr) = (read::<16>(blue, 0), read::<16>(red, 0));
                        let (one, other) = (low::<SIZE>(cb, cr), high::<SIZE>(cb, cr));
                        let all = [
                            low::<SIZE>(one, y0),
                            high::<SIZE>(one, y0),
                            low::<SIZE>(other, y1),
                            high::<SIZE>(other, y1),
                        ];
                        write_all(to, all);
                    },
                );
            }

            /// 4:2:0: two lines of luma.
            #[target_feature(enable = $feature)]
            pub(in super::super::super) fn quarter(pgroups: &[u8], lines: [&mut [u8]; 4]) {
                const IN: usize = 6 * BYTES;
                const SHUFFLES: [[[u8; 16]; 3]; 3] = shuffles(Pattern::Quarter, SIZE, true);
                apart::<
                    { IN * WIDE },
                    { IN * WIDE + MORE },
                    { 32 * WIDE },
                    { 32 * WIDE },
                    { 16 * WIDE },
                >(pgroups, lines, |from, upper, lower, blue, red| {
                    let a = numbers::<$bits>(read::<IN>(from, 0));
                    let b = numbers::<$bits>(read::<IN>(from, BYTES));
                    let c = numbers::<$bits>(read::<IN>(from, 2 * BYTES));
                    write::<32>(upper, 0, taken([a, b, c], SHUFFLES[0]));
                    write::<32>(lower, 0, taken([a, b, c], SHUFFLES[1]));
                    let left = taken([a, b, c], SHUFFLES[2]);
                    let a = numbers::<$bits>(read::<IN>(from, 3 * BYTES));
                    let b = numbers::<$bits>(read::<IN>(from, 4 * BYTES));
                    let c = numbers::<$bits>(read::<IN>(from, 5 * BYTES));
                    write::<32>(upper, 16, taken([a, b, c], SHUFFLES[0]));
                    write::<32>(lower, 16, taken([a, b, c], SHUFFLES[1]));
                    let right = taken([a, b, c], SHUFFLES[2]);
                    write::<16>(blue, 0, low_64(left, right));
                    write::<16>(red, 0, high_64(left, right));
                });
            }

            #[target_feature(enable = $feature)]
            pub(in super::super::super) fn of_quarter(lines: [&[u8]; 4], pgroups: &mut [u8]) {
                const OUT: usize = 6 * BYTES;
                const SHUFFLES: [[[u8; 16]; 3]; 3] = shuffles(Pattern::Quarter, SIZE, false);
                together::<
                    { 32 * WIDE },
                    { 32 * WIDE },
                    { 16 * WIDE },
                    { OUT * WIDE },
                    { OUT * WIDE + MORE },
                >(lines, pgroups, |upper, lower, blue, red, to| {
                    let (cb, cr) = (read::<16>(blue, 0), read::<16>(red, 0));
                    let (u, l) = (read::<32>(upper, 0), read::<32>(lower, 0));
                    let left = [u, l, low_64(cb, cr)];
                    let (u, l) = (read::<32>(upper, 16), read::<32>(lower, 16));
                    let right = [u, l, high_64(cb, cr)];
                    let all = [
                        taken(left, SHUFFLES[0]),
                        taken(left, SHUFFLES[1]),
                        taken(left, SHUFFLES[2]),
                        taken(right, SHUFFLES[0]),
                        taken(right, SHUFFLES[1]),
                        taken(right, SHUFFLES[2]),
                    ];
                    write_all(to, all);
                });
            }

            /// One component.
            #[target_feature(enable = $feature)]
            pub(in super::super::super) fn alone(pgroups: &[u8], line: &mut [u8]) {
                packed::<{ BYTES * WIDE }, { BYTES * WIDE + MORE }, { 16 * WIDE }, { 16 * WIDE }>(
                    pgroups,
                    line,
                    |from, to| {
                        let samples = numbers::<$bits>(read::<BYTES>(from, 0));
                        write::<16>(to, 0, samples);
                    },
                );
            }

            #[target_feature(enable = $feature)]
            pub(in super::super::super) fn of_alone(line: &[u8], pgroups: &mut [u8]) {
                packed::<{ 16 * WIDE }, { 16 * WIDE }, { BYTES * WIDE }, { BYTES * WIDE + MORE }>(
                    line,
                    pgroups,
                    |from, to| write_all(to, [read::<16>(from, 0)]),
                );
            }
        }
    };
}
pub(super) use depth;
