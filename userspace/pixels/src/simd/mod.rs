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

use crate::picture::Picture;
use crate::pixel_format::{PixelFormat, Planes};

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

/// The luma plane and both chroma planes.
fn planes_mut<'a>(planes: &Planes, pixels: &'a mut [u8]) -> [&'a mut [u8]; 3] {
    let all = planes.all();
    let (luma, chroma) = pixels.split_at_mut(all[1].offset);
    let (blue, red) = chroma.split_at_mut(all[2].offset - all[1].offset);
    [luma, blue, red]
}

fn planes_ref<'a>(planes: &Planes, pixels: &'a [u8]) -> [&'a [u8]; 3] {
    let all = planes.all();
    let (luma, chroma) = pixels.split_at(all[1].offset);
    let (blue, red) = chroma.split_at(all[2].offset - all[1].offset);
    [luma, blue, red]
}

/// Calls a kernel for each instruction set.
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

/// [`unpack`](crate::unpack) of buffers that have exactly the picture's bytes. `false`: there is no
/// kernel for it, and nothing was written.
pub(crate) fn unpack(
    simd: Simd,
    picture: &Picture,
    pgroups: &[u8],
    format: PixelFormat,
    pixels: &mut [u8],
) -> bool {
    let planes = format.planes(picture);
    match (picture.sampling.chroma(), picture.depth, format) {
        (Chroma::Half, Depth::Ten, PixelFormat::Yuv422p10) => {
            let planes = planes_mut(&planes, pixels);
            call!(simd, planes_of_ten(pgroups, planes));
        }
        (Chroma::Half, Depth::Eight, PixelFormat::Yuv422p) => {
            let planes = planes_mut(&planes, pixels);
            call!(simd, planes_of_eight(pgroups, planes));
        }
        (Chroma::Half, Depth::Ten, PixelFormat::Y210) => {
            call!(simd, y210_of_ten(pgroups, pixels));
        }
        (Chroma::Half, Depth::Ten, PixelFormat::V210) => {
            let rows = pgroups.chunks_exact(picture.row_bytes());
            for (row, line) in rows.zip(pixels.chunks_exact_mut(planes.all()[0].stride)) {
                call!(simd, v210_of_ten(row, line));
            }
        }
        _ => return false,
    }
    true
}

/// [`pack`](crate::pack) of buffers that have exactly the picture's bytes. `false`: there is no kernel
/// for it, and nothing was written.
pub(crate) fn pack(
    simd: Simd,
    picture: &Picture,
    format: PixelFormat,
    pixels: &[u8],
    pgroups: &mut [u8],
) -> bool {
    let planes = format.planes(picture);
    match (picture.sampling.chroma(), picture.depth, format) {
        (Chroma::Half, Depth::Ten, PixelFormat::Yuv422p10) => {
            let planes = planes_ref(&planes, pixels);
            call!(simd, ten_of_planes(planes, pgroups));
        }
        (Chroma::Half, Depth::Eight, PixelFormat::Yuv422p) => {
            let planes = planes_ref(&planes, pixels);
            call!(simd, eight_of_planes(planes, pgroups));
        }
        (Chroma::Half, Depth::Ten, PixelFormat::Y210) => {
            call!(simd, ten_of_y210(pixels, pgroups));
        }
        (Chroma::Half, Depth::Ten, PixelFormat::V210) => {
            let rows = pgroups.chunks_exact_mut(picture.row_bytes());
            for (row, line) in rows.zip(pixels.chunks_exact(planes.all()[0].stride)) {
                call!(simd, ten_of_v210(line, row));
            }
        }
        _ => return false,
    }
    true
}
