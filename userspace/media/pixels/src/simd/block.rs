//! Buffers, block by block.
//!
//! A kernel reads `READ` bytes and writes `WRITE`, of which `IN` and `OUT` count: the rest is in the way
//! of whole vectors, and the next block reads and writes it again. Each function is inlined into a
//! function that has the vector instructions, so that the kernel is inlined, too.

use std::arch::x86_64::{__m128i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_storeu_si128};

const CACHE_LINE: usize = 64;

/// 16 bytes from `at` on.
#[inline(always)]
pub(super) fn load(bytes: &[u8], at: usize) -> __m128i {
    let bytes: &[u8; 16] = bytes[at..]
        .first_chunk()
        .expect("a block has whole vectors");
    // SAFETY: 16 bytes that are readable; SSE2 is in each x86-64 processor.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// Writes 16 bytes from `at` on.
#[inline(always)]
pub(super) fn store(bytes: &mut [u8], at: usize, vector: __m128i) {
    let bytes: &mut [u8; 16] = bytes[at..]
        .first_chunk_mut()
        .expect("a block has whole vectors");
    // SAFETY: 16 bytes that are writable; SSE2 is in each x86-64 processor.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), vector) }
}

/// Has the processor fetch what lies `by` bytes after the block.
#[inline(always)]
fn fetch_after<const N: usize>(block: &[u8; N], by: usize) {
    for line in block.chunks(CACHE_LINE) {
        let next = line.as_ptr().wrapping_add(by);
        // SAFETY: a hint; it reads nothing, wherever it points.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(next.cast()) }
    }
}

/// Up to `N` bytes from `at` on, then zeros.
fn rest<const N: usize>(bytes: &[u8], at: usize, most: usize) -> [u8; N] {
    let mut block = [0; N];
    let bytes = bytes.get(at..).unwrap_or_default();
    let count = bytes.len().min(most);
    block[..count].copy_from_slice(&bytes[..count]);
    block
}

/// Writes as many bytes of `block` from `at` on as there is room for.
fn put(bytes: &mut [u8], at: usize, block: &[u8]) {
    let bytes = bytes.get_mut(at..).unwrap_or_default();
    let count = bytes.len().min(block.len());
    bytes[..count].copy_from_slice(&block[..count]);
}

/// From one buffer to one. Fills `to`; past the end of `from` there are zeros.
#[inline(always)]
pub(super) fn packed<const IN: usize, const READ: usize, const OUT: usize, const WRITE: usize>(
    from: &[u8],
    to: &mut [u8],
    kernel: impl Fn(&[u8; READ], &mut [u8; WRITE]),
) {
    let (mut read, mut written) = (0, 0);
    while let (Some(input), Some(output)) =
        (from[read..].first_chunk(), to[written..].first_chunk_mut())
    {
        kernel(input, output);
        (read, written) = (read + IN, written + OUT);
    }
    while written < to.len() {
        let mut output = [0; WRITE];
        kernel(&rest(from, read, IN), &mut output);
        put(to, written, &output[..OUT]);
        (read, written) = (read + IN, written + OUT);
    }
}

/// From one buffer to up to four lines: `Y` bytes of the first, `L` of the second (0 without one), `C` of
/// the others a block.
#[inline(always)]
pub(super) fn apart<
    const IN: usize,
    const READ: usize,
    const Y: usize,
    const L: usize,
    const C: usize,
>(
    from: &[u8],
    [upper, lower, blue, red]: [&mut [u8]; 4],
    kernel: impl Fn(&[u8; READ], &mut [u8; Y], &mut [u8; L], &mut [u8; C], &mut [u8; C]),
) {
    let (mut read, mut block) = (0, 0);
    while let (Some(input), Some(y), Some(l), Some(cb), Some(cr)) = (
        from[read..].first_chunk(),
        upper[block * Y..].first_chunk_mut(),
        lower[block * L..].first_chunk_mut(),
        blue[block * C..].first_chunk_mut(),
        red[block * C..].first_chunk_mut(),
    ) {
        kernel(input, y, l, cb, cr);
        (read, block) = (read + IN, block + 1);
    }
    while read < from.len() {
        let (mut y, mut l, mut cb, mut cr) = ([0; Y], [0; L], [0; C], [0; C]);
        kernel(&rest(from, read, IN), &mut y, &mut l, &mut cb, &mut cr);
        put(upper, block * Y, &y);
        put(lower, block * L, &l);
        put(blue, block * C, &cb);
        put(red, block * C, &cr);
        (read, block) = (read + IN, block + 1);
    }
}

/// From up to four lines to one buffer: the opposite of [`apart`].
///
/// With two lines of luma, the next two lie behind them, and the next ones of chroma behind theirs. The processor
/// does not foresee that: each line is too short for it to learn. (Of a field the next row lies further, and nothing
/// is gained.)
#[inline(always)]
pub(super) fn together<
    const Y: usize,
    const L: usize,
    const C: usize,
    const OUT: usize,
    const WRITE: usize,
>(
    [upper, lower, blue, red]: [&[u8]; 4],
    to: &mut [u8],
    kernel: impl Fn(&[u8; Y], &[u8; L], &[u8; C], &[u8; C], &mut [u8; WRITE]),
) {
    let (mut written, mut block) = (0, 0);
    while let (Some(y), Some(l), Some(cb), Some(cr), Some(output)) = (
        upper[block * Y..].first_chunk(),
        lower[block * L..].first_chunk(),
        blue[block * C..].first_chunk(),
        red[block * C..].first_chunk(),
        to[written..].first_chunk_mut(),
    ) {
        if L > 0 {
            fetch_after(y, upper.len() + lower.len());
            fetch_after(l, upper.len() + lower.len());
            fetch_after(cb, blue.len());
            fetch_after(cr, red.len());
        }
        kernel(y, l, cb, cr, output);
        (written, block) = (written + OUT, block + 1);
    }
    while written < to.len() {
        let mut output = [0; WRITE];
        let (y, l) = (rest(upper, block * Y, Y), rest(lower, block * L, L));
        let (cb, cr) = (rest(blue, block * C, C), rest(red, block * C, C));
        kernel(&y, &l, &cb, &cr, &mut output);
        put(to, written, &output[..OUT]);
        (written, block) = (written + OUT, block + 1);
    }
}
