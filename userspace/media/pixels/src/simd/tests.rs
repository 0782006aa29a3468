//! Every instruction set gives what the reference gives, and touches nothing else.

use std::ptr;

use onair_essence::video::{Depth, Sampling};
use proptest::prelude::*;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use super::*;
use crate::convert::{pack_with, unpack_rows, unpack_with};
use crate::picture::Lines;

/// Formats that have a kernel, with pictures that they hold.
fn formats() -> Vec<(PixelFormat, Sampling, Depth)> {
    let all = PixelFormat::ALL.iter().filter_map(|&format| {
        let pictures = Sampling::ALL.iter().flat_map(|&sampling| {
            let depths = Depth::ALL.iter();
            depths.filter_map(move |&depth| Picture::new(4, 2, sampling, depth))
        });
        let mut held = pictures.filter(|picture| format.holds(picture));
        let picture = held.next().expect("a picture for each format");
        let has_kernel = Kernel::of(&picture, format).is_some();
        has_kernel.then_some((format, picture.sampling, picture.depth))
    });
    all.filter(|(format, ..)| *format != PixelFormat::Gray)
        .collect()
}

/// Memory between two pages without access rights.
struct Fenced {
    start: *mut u8,
    mapped: usize,
}

const PAGE: usize = 4096;

impl Fenced {
    fn new(bytes: usize) -> Self {
        let mapped = (bytes.div_ceil(PAGE) + 2) * PAGE;
        // SAFETY: new memory, in which the first and the last page lose their rights.
        let start = unsafe {
            let start = mmap_anonymous(
                ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            );
            let start = start.expect("memory");
            for page in [start, start.byte_add(mapped - PAGE)] {
                mprotect(page, PAGE, MprotectFlags::empty()).expect("a page of ours");
            }
            start.cast()
        };
        Self { start, mapped }
    }

    /// Bytes right before the last page, or right behind the first one.
    fn slice(&mut self, bytes: usize, at_end: bool) -> &mut [u8] {
        let at = if at_end {
            self.mapped - PAGE - bytes
        } else {
            PAGE
        };
        // SAFETY: `new` made room for as many bytes between both pages; nothing else refers to them.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), bytes) }
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`; no slice of it is left.
        unsafe { munmap(self.start.cast(), self.mapped) }.expect("a mapping of ours");
    }
}

fn fill(bytes: &mut [u8], mut seed: u64) {
    seed |= 1;
    for byte in bytes {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        *byte = seed.to_le_bytes()[3];
    }
}

/// Both ways by each instruction set beside the reference, with each buffer at both fences.
fn compare(
    size: (u32, u32),
    lines: Lines,
    (format, sampling, depth): (PixelFormat, Sampling, Depth),
    seed: u64,
) {
    // Not of whole pixel groups, or half a line of chroma.
    let Some(picture) = Picture::new(size.0, size.1, sampling, depth) else {
        return;
    };
    let part = (&picture, Rows::all(&picture, lines));
    let (packed, unpacked) = (picture.bytes_of(lines), format.planes(&picture).bytes);
    let [mut from, mut to] = [(); 2].map(|()| Fenced::new(packed.max(unpacked)));
    for simd in [Simd::Ssse3, Simd::Avx2] {
        assert!(simd.is_here(), "this test needs a processor with {simd:?}");
        for at_end in [true, false] {
            let what = format!("{format}, {size:?}, {lines:?}, {simd:?}");

            let pgroups = from.slice(packed, at_end);
            fill(pgroups, seed);
            // Lines of the other field stay.
            let mut expected = vec![2; unpacked];
            unpack_with(None, part, pgroups, format, &mut expected).unwrap();
            let pixels = to.slice(unpacked, at_end);
            pixels.fill(2);
            unpack_with(Some(simd), part, pgroups, format, pixels).unwrap();
            assert!(pixels == expected, "{what}: unpacked");
            pixels.fill(2);
            for (first, row) in pgroups.chunks_exact(picture.row_bytes()).enumerate() {
                unpack_rows(&picture, (lines, first), row, format, pixels).unwrap();
            }
            assert!(pixels == expected, "{what}: unpacked row by row");

            // Any pixels, also with bits above the depth.
            let pixels = from.slice(unpacked, at_end);
            fill(pixels, seed);
            let mut expected = vec![1; packed];
            pack_with(None, part, format, pixels, &mut expected).unwrap();
            let pgroups = to.slice(packed, at_end);
            pgroups.fill(2);
            pack_with(Some(simd), part, format, pixels, pgroups).unwrap();
            assert!(pgroups == expected, "{what}: packed");
        }
    }
}

#[test]
fn kernels_of_each_width_then_as_the_reference_within_buffers() {
    let formats = formats();
    assert_eq!(formats.len(), 21, "{formats:?}");
    for format in formats {
        for width in 1..=200 {
            compare((width, 2), Lines::All, format, width.into());
            compare((width, 6), Lines::First, format, width.into());
            compare((width, 6), Lines::Second, format, width.into());
        }
    }
}

proptest! {
    #[test]
    fn kernels_of_any_samples_and_size_then_as_the_reference(
        width in 1u32..2_200, height in 1u32..7, part in 0usize..3, at in 0..21usize, seed: u64,
    ) {
        let lines = [Lines::All, Lines::First, Lines::Second][part];
        compare((width, height), lines, formats()[at], seed);
    }
}
