//! The copy of a packet's payload into a frame.
//!
//! A frame is larger than the caches, so the copy waits for the lines that it replaces. Aligned
//! stores of whole vectors, with nothing between them, keep more of these waits in parallel than
//! libc's memcpy does at a packet's size (P6 of the bench).

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm_store_si128, _mm_storeu_si128, _mm256_loadu_si256,
    _mm256_store_si256, _mm256_storeu_si256,
};

/// Copies shorter than this are libc's: most of them would be the unaligned ends.
const SHORTEST: usize = 64;

/// Copies `len` bytes from `from` to `to`.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes, and the two ranges do not overlap. Other
/// processes may access `to` at the same time: they see a mix of old and new bytes.
#[inline]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: as of this function; each vector is shorter than `SHORTEST`, and the processor has
    // AVX2 where it is used.
    unsafe {
        if len < SHORTEST {
            to.copy_from_nonoverlapping(from, len);
        } else if is_x86_feature_detected!("avx2") {
            copy_avx2(to, from, len);
        } else {
            copy_sse2(to, from, len);
        }
    }
}

/// A copy by vectors. Not inlined: the compiler must not see that the ranges do not overlap, or it
/// turns the loops into a call of memcpy.
macro_rules! vector_copy {
    ($name:ident, $feature:literal, $vector:ty, $load:ident, $store:ident, $store_aligned:ident) => {
        /// # Safety
        /// As of [`copy`]; `len` is at least a vector's, and the processor has the feature.
        #[target_feature(enable = $feature)]
        #[inline(never)]
        unsafe fn $name(to: *mut u8, from: *const u8, len: usize) {
            const BYTES: usize = size_of::<$vector>();
            // SAFETY: the first and the last vector lie within the ranges because `len` is at least
            // a vector's; `at` is at most `len` minus what is copied next, and `to + at` is aligned.
            unsafe {
                let last = len - BYTES;
                $store(to.cast(), $load(from.cast()));
                let mut at = BYTES - to.addr() % BYTES;
                while at + 4 * BYTES <= len {
                    let one = $load(from.add(at).cast());
                    let two = $load(from.add(at + BYTES).cast());
                    let three = $load(from.add(at + 2 * BYTES).cast());
                    let four = $load(from.add(at + 3 * BYTES).cast());
                    $store_aligned(to.add(at).cast(), one);
                    $store_aligned(to.add(at + BYTES).cast(), two);
                    $store_aligned(to.add(at + 2 * BYTES).cast(), three);
                    $store_aligned(to.add(at + 3 * BYTES).cast(), four);
                    at += 4 * BYTES;
                }
                while at < last {
                    $store_aligned(to.add(at).cast::<$vector>(), $load(from.add(at).cast()));
                    at += BYTES;
                }
                $store(to.add(last).cast(), $load(from.add(last).cast()));
            }
        }
    };
}

vector_copy!(
    copy_avx2,
    "avx2",
    __m256i,
    _mm256_loadu_si256,
    _mm256_storeu_si256,
    _mm256_store_si256
);
vector_copy!(
    copy_sse2,
    "sse2",
    __m128i,
    _mm_loadu_si128,
    _mm_storeu_si128,
    _mm_store_si128
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Copy = unsafe fn(*mut u8, *const u8, usize);

    /// Each way to copy: its name, and the shortest length that it takes.
    const WAYS: [(&str, Copy, usize); 3] = [
        ("chosen", copy, 0),
        ("AVX2", copy_avx2, size_of::<__m256i>()),
        ("SSE2", copy_sse2, size_of::<__m128i>()),
    ];
    /// Bytes on each side of the destination that must stay as they were, and the largest alignment.
    const MARGIN: usize = 64;
    const UNTOUCHED: u8 = 0xa5;

    /// Copies `len` bytes from `from_at` bytes after an aligned address to `to_at` bytes after one,
    /// in every way, beside a plain copy.
    fn compare(from_at: usize, to_at: usize, len: usize, seed: u8) {
        let size = 4 * MARGIN + len;
        let source = (0..=250).cycle().skip(seed.into()).take(size);
        let source: Vec<u8> = source.collect();
        let from = source.as_ptr().align_offset(MARGIN) + from_at;
        for (name, way, shortest) in WAYS {
            if len < shortest || (name == "AVX2" && !is_x86_feature_detected!("avx2")) {
                continue;
            }
            let mut target = vec![UNTOUCHED; size];
            let to = target.as_ptr().align_offset(MARGIN) + MARGIN + to_at;
            let mut expected = target.clone();
            expected[to..to + len].copy_from_slice(&source[from..from + len]);
            let (from, to) = (&source[from..from + len], &mut target[to..to + len]);
            // SAFETY: two slices of `len` bytes.
            unsafe { way(to.as_mut_ptr(), from.as_ptr(), len) };
            assert!(
                target == expected,
                "{name}: {len} bytes from {from_at} to {to_at}"
            );
        }
    }

    #[test]
    fn copy_each_alignment_and_vector_length_then_as_the_plain_copy() {
        for from_at in [0, 1, 15, 16, 31] {
            for to_at in 0..32 {
                (0..=288).for_each(|len| compare(from_at, to_at, len, 1));
            }
        }
    }

    proptest! {
        #[test]
        fn copy_any_alignment_and_length_then_as_the_plain_copy(
            from_at in 0..64_usize, to_at in 0..64_usize, len in 0..9_100_usize, seed: u8,
        ) {
            compare(from_at, to_at, len, seed);
        }
    }
}
