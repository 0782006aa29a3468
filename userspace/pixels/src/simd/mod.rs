//! Conversions of 4:2:2 by vector instructions that the processor has.
//!
//! [`convert`](crate::convert) has the reference: what is here gives the same bytes. The kernels take
//! blocks of a fixed size, as references to arrays, so that the compiler sees that no block leaves its
//! buffer; the last, shorter blocks go through buffers on the stack.

mod block;
mod kernels;
#[cfg(test)]
mod tests;

use std::arch::is_x86_feature_detected;

use onair_types::{Chroma, Depth};

use crate::lines::Lines;
use crate::picture::Picture;
use crate::pixel_format::PixelFormat;

/// Vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Simd {
    Ssse3,
    Avx2,
}

impl Simd {
    /// The widest that the processor has; `None`: none of them.
    pub(crate) fn widest() -> Option<Self> {
        [Self::Avx2, Self::Ssse3]
            .into_iter()
            .find(|it| it.is_here())
    }

    fn is_here(self) -> bool {
        match self {
            Self::Ssse3 => is_x86_feature_detected!("ssse3"),
            Self::Avx2 => is_x86_feature_detected!("avx2"),
        }
    }
}

/// A conversion that has kernels, in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    PlanesOfTen,
    PlanesOfEight,
    Y210,
    V210,
}

impl Kernel {
    fn of(picture: &Picture, format: PixelFormat) -> Option<Self> {
        match (picture.sampling.chroma(), picture.depth, format) {
            (Chroma::Half, Depth::Ten, PixelFormat::Yuv422p10) => Some(Self::PlanesOfTen),
            (Chroma::Half, Depth::Eight, PixelFormat::Yuv422p) => Some(Self::PlanesOfEight),
            (Chroma::Half, Depth::Ten, PixelFormat::Y210) => Some(Self::Y210),
            (Chroma::Half, Depth::Ten, PixelFormat::V210) => Some(Self::V210),
            _ => None,
        }
    }
}

/// Calls a kernel of an instruction set.
macro_rules! call {
    ($simd:expr, $kernel:ident($($argument:expr),*)) => {{
        assert!($simd.is_here(), "{:?} is not here", $simd);
        match $simd {
            // SAFETY: the processor has the instructions.
            Simd::Ssse3 => unsafe { kernels::ssse3::$kernel($($argument),*) },
            // SAFETY: the processor has the instructions.
            Simd::Avx2 => unsafe { kernels::avx2::$kernel($($argument),*) },
        }
    }};
}

impl Simd {
    /// One line, or several without padding between them. `line` has a slice for each plane.
    fn unpack(self, kernel: Kernel, pgroups: &[u8], line: [&mut [u8]; 3]) {
        match (kernel, line) {
            (Kernel::PlanesOfTen, line) => call!(self, planes_of_ten(pgroups, line)),
            (Kernel::PlanesOfEight, line) => call!(self, planes_of_eight(pgroups, line)),
            (Kernel::Y210, [line, ..]) => call!(self, y210_of_ten(pgroups, line)),
            (Kernel::V210, [line, ..]) => call!(self, v210_of_ten(pgroups, line)),
        }
    }

    /// The opposite of [`Self::unpack`].
    fn pack(self, kernel: Kernel, line: [&[u8]; 3], pgroups: &mut [u8]) {
        match (kernel, line) {
            (Kernel::PlanesOfTen, line) => call!(self, ten_of_planes(line, pgroups)),
            (Kernel::PlanesOfEight, line) => call!(self, eight_of_planes(line, pgroups)),
            (Kernel::Y210, [line, ..]) => call!(self, ten_of_y210(line, pgroups)),
            (Kernel::V210, [line, ..]) => call!(self, ten_of_v210(line, pgroups)),
        }
    }
}

/// Whether all lines are as one: each plane has them without padding, and the buffer has all.
fn are_one_line(kernel: Kernel, lines: Lines) -> bool {
    lines == Lines::All && kernel != Kernel::V210
}

/// [`unpack_lines`](crate::unpack_lines) of buffers that have exactly the bytes of these lines and of the
/// frame. `false`: there is no kernel for it, and nothing was written.
pub(crate) fn unpack(
    simd: Simd,
    (picture, lines): (&Picture, Lines),
    pgroups: &[u8],
    format: PixelFormat,
    pixels: &mut [u8],
) -> bool {
    let Some(kernel) = Kernel::of(picture, format) else {
        return false;
    };
    let planes = format.planes(picture);
    let rows = pgroups.chunks_exact(picture.row_bytes());
    match *planes.all() {
        [luma, blue, red] => {
            let (first, chroma) = pixels.split_at_mut(blue.offset);
            let (second, third) = chroma.split_at_mut(red.offset - blue.offset);
            if are_one_line(kernel, lines) {
                simd.unpack(kernel, pgroups, [first, second, third]);
                return true;
            }
            let chroma = lines.of_mut(second, blue.stride);
            let chroma = chroma.zip(lines.of_mut(third, red.stride));
            let all = lines.of_mut(first, luma.stride).zip(chroma);
            for (row, (luma, (blue, red))) in rows.zip(all) {
                simd.unpack(kernel, row, [luma, blue, red]);
            }
        }
        _ if are_one_line(kernel, lines) => {
            simd.unpack(kernel, pgroups, [pixels, &mut [], &mut []])
        }
        _ => {
            for (row, line) in rows.zip(lines.of_mut(pixels, planes.all()[0].stride)) {
                simd.unpack(kernel, row, [line, &mut [], &mut []]);
            }
        }
    }
    true
}

/// [`pack_lines`](crate::pack_lines) of buffers that have exactly the bytes of these lines and of the
/// frame. `false`: there is no kernel for it, and nothing was written.
pub(crate) fn pack(
    simd: Simd,
    (picture, lines): (&Picture, Lines),
    format: PixelFormat,
    pixels: &[u8],
    pgroups: &mut [u8],
) -> bool {
    let Some(kernel) = Kernel::of(picture, format) else {
        return false;
    };
    let planes = format.planes(picture);
    match *planes.all() {
        [luma, blue, red] => {
            let (first, chroma) = pixels.split_at(blue.offset);
            let (second, third) = chroma.split_at(red.offset - blue.offset);
            if are_one_line(kernel, lines) {
                simd.pack(kernel, [first, second, third], pgroups);
                return true;
            }
            let chroma = lines.of(second, blue.stride);
            let chroma = chroma.zip(lines.of(third, red.stride));
            let all = lines.of(first, luma.stride).zip(chroma);
            let rows = pgroups.chunks_exact_mut(picture.row_bytes());
            for (row, (luma, (blue, red))) in rows.zip(all) {
                simd.pack(kernel, [luma, blue, red], row);
            }
        }
        _ if are_one_line(kernel, lines) => simd.pack(kernel, [pixels, &[], &[]], pgroups),
        _ => {
            let rows = pgroups.chunks_exact_mut(picture.row_bytes());
            for (row, line) in rows.zip(lines.of(pixels, planes.all()[0].stride)) {
                simd.pack(kernel, [line, &[], &[]], row);
            }
        }
    }
    true
}
