//! Conversions by vector instructions that the processor has.
//!
//! [`convert`](crate::convert) has the reference: what is here gives the same bytes. The kernels take
//! blocks of a fixed size, as references to arrays, so that the compiler sees that no block leaves its
//! buffer; the last, shorter blocks go through buffers on the stack.

mod block;
mod kernels;
mod planes;
mod shuffles;
#[cfg(test)]
mod tests;

use std::arch::is_x86_feature_detected;

use onair_essence::video::{Chroma, Depth};

use crate::picture::{Picture, Rows};
use crate::pixel_format::{Arrangement, PixelFormat, Plane};

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
    /// A plane for each component.
    Planes(Chroma, Depth),
    Y210,
    V210,
    Rgba,
}

impl Kernel {
    /// Of a format that holds the picture, and that has not its very bytes.
    fn of(picture: &Picture, format: PixelFormat) -> Option<Self> {
        match format.arrangement() {
            Arrangement::Planar | Arrangement::PlanarGbr => {
                Some(Self::Planes(picture.sampling.chroma(), picture.depth))
            }
            Arrangement::Yuyv16 => Some(Self::Y210),
            Arrangement::V210 => Some(Self::V210),
            Arrangement::Rgba => Some(Self::Rgba),
            Arrangement::Uyvy | Arrangement::Rgb => None,
        }
    }
}

/// Calls a kernel of an instruction set.
macro_rules! call {
    ($simd:expr, [$($kernel:ident)::+] $arguments:tt) => {{
        assert!($simd.is_here(), "{:?} is not here", $simd);
        match $simd {
            // SAFETY: the processor has the instructions.
            Simd::Ssse3 => unsafe { kernels::ssse3::$($kernel)::+ $arguments },
            // SAFETY: the processor has the instructions.
            Simd::Avx2 => unsafe { kernels::avx2::$($kernel)::+ $arguments },
        }
    }};
    ($simd:expr, $kernel:ident $arguments:tt) => { call!($simd, [$kernel] $arguments) };
}

/// Calls a kernel of a depth.
macro_rules! call_depth {
    ($simd:expr, $depth:expr, $kernel:ident $arguments:tt) => {
        match $depth {
            Depth::Eight => call!($simd, [eight::$kernel] $arguments),
            Depth::Ten => call!($simd, [ten::$kernel] $arguments),
            Depth::Twelve => call!($simd, [twelve::$kernel] $arguments),
            Depth::Sixteen | Depth::SixteenFloat => call!($simd, [sixteen::$kernel] $arguments),
        }
    };
}

/// A line of each plane: luma or the first component, with 4:2:0 the next line of luma, the second
/// component, the third. Without padding between them, several lines are as one.
type Line<'a> = [&'a mut [u8]; 4];

impl Simd {
    /// One row of pixel groups, or several without padding between them.
    fn unpack(self, kernel: Kernel, pgroups: &[u8], line: Line<'_>) {
        match (kernel, line) {
            (Kernel::Planes(Chroma::Full, depth), line) => {
                call_depth!(self, depth, full(pgroups, line));
            }
            (Kernel::Planes(Chroma::Half, depth), line) => {
                call_depth!(self, depth, half(pgroups, line));
            }
            (Kernel::Planes(Chroma::Quarter, depth), line) => {
                call_depth!(self, depth, quarter(pgroups, line));
            }
            (Kernel::Planes(Chroma::None, depth), [line, ..]) => {
                call_depth!(self, depth, alone(pgroups, line));
            }
            (Kernel::Y210, [line, ..]) => call!(self, y210_of_ten(pgroups, line)),
            (Kernel::V210, [line, ..]) => call!(self, v210_of_ten(pgroups, line)),
            (Kernel::Rgba, [line, ..]) => call!(self, rgba_of_eight(pgroups, line)),
        }
    }

    /// The opposite of [`Self::unpack`].
    fn pack(self, kernel: Kernel, line: [&[u8]; 4], pgroups: &mut [u8]) {
        match (kernel, line) {
            (Kernel::Planes(Chroma::Full, depth), line) => {
                call_depth!(self, depth, of_full(line, pgroups));
            }
            (Kernel::Planes(Chroma::Half, depth), line) => {
                call_depth!(self, depth, of_half(line, pgroups));
            }
            (Kernel::Planes(Chroma::Quarter, depth), line) => {
                call_depth!(self, depth, of_quarter(line, pgroups));
            }
            (Kernel::Planes(Chroma::None, depth), [line, ..]) => {
                call_depth!(self, depth, of_alone(line, pgroups));
            }
            (Kernel::Y210, [line, ..]) => call!(self, ten_of_y210(line, pgroups)),
            (Kernel::V210, [line, ..]) => call!(self, ten_of_v210(line, pgroups)),
            (Kernel::Rgba, [line, ..]) => call!(self, eight_of_rgba(line, pgroups)),
        }
    }
}

/// Whether all lines are as one: neither pixel groups nor planes have padding, a row is a line, and they
/// are a whole frame.
fn are_one_line(kernel: Kernel, picture: &Picture, rows: Rows) -> bool {
    let is_whole = picture
        .width()
        .is_multiple_of(picture.pgroup.pixels as usize);
    let is_line = !matches!(kernel, Kernel::V210 | Kernel::Planes(Chroma::Quarter, _));
    rows.are_frame(picture) && is_whole && is_line
}

/// The order of the components in pixel groups, as places of their planes.
fn order(picture: &Picture, format: PixelFormat) -> [usize; 3] {
    match (format.arrangement(), picture.sampling.chroma()) {
        // R G B of planes G B R.
        (Arrangement::PlanarGbr, _) => [2, 0, 1],
        // Cb Y Cr of planes Y Cb Cr.
        (Arrangement::Planar, Chroma::Full) => [1, 0, 2],
        _ => [0, 1, 2],
    }
}

/// Bytes of the first component that are the upper line of a row: with 4:2:0 half of them, else all.
const fn upper(kernel: Kernel, first: usize) -> usize {
    match kernel {
        Kernel::Planes(Chroma::Quarter, _) => first / 2,
        _ => first,
    }
}

/// The bytes of row `at` in a plane: a line, or with 4:2:0 both lines of luma.
fn row_of(plane: &Plane, at: usize, rows: usize) -> std::ops::Range<usize> {
    let bytes = plane.stride * plane.lines / rows;
    at * bytes..(at + 1) * bytes
}

/// [`unpack_rows`](crate::unpack_rows) of buffers that have exactly the bytes of these rows and of the
/// frame. `false`: there is no kernel for it, and nothing was written.
pub(crate) fn unpack(
    simd: Simd,
    (picture, rows): (&Picture, Rows),
    pgroups: &[u8],
    format: PixelFormat,
    pixels: &mut [u8],
) -> bool {
    let Some(kernel) = Kernel::of(picture, format) else {
        return false;
    };
    let planes = format.planes(picture);
    let mut parts: [&mut [u8]; 3] = Default::default();
    let mut rest = pixels;
    for (part, plane) in parts.iter_mut().zip(planes.all()) {
        (*part, rest) = rest.split_at_mut(plane.stride * plane.lines);
    }
    let order = order(picture, format);
    let mut unpack = |pgroups: &[u8], row: Option<usize>| {
        let mut components: [&mut [u8]; 3] = Default::default();
        for (place, part) in parts.iter_mut().enumerate() {
            let bytes = match (row, planes.all().get(place)) {
                (Some(row), Some(plane)) => &mut part[row_of(plane, row, picture.rows)],
                _ => &mut part[..],
            };
            if let Some(component) = order.iter().position(|it| *it == place) {
                components[component] = bytes;
            }
        }
        let [first, second, third] = components;
        let (first, lower) = first.split_at_mut(upper(kernel, first.len()));
        simd.unpack(kernel, pgroups, [first, lower, second, third]);
    };
    if are_one_line(kernel, picture, rows) {
        unpack(pgroups, None);
    } else {
        for (at, pgroups) in pgroups.chunks_exact(picture.row_bytes()).enumerate() {
            unpack(pgroups, Some(rows.row(at)));
        }
    }
    true
}

/// [`pack_lines`](crate::pack_lines) of buffers that have exactly the bytes of these rows and of the
/// frame. `false`: there is no kernel for it, and nothing was written.
pub(crate) fn pack(
    simd: Simd,
    (picture, rows): (&Picture, Rows),
    format: PixelFormat,
    pixels: &[u8],
    pgroups: &mut [u8],
) -> bool {
    let Some(kernel) = Kernel::of(picture, format) else {
        return false;
    };
    let planes = format.planes(picture);
    let order = order(picture, format);
    let pack = |row: Option<usize>, pgroups: &mut [u8]| {
        let [first, second, third] = order.map(|place| {
            let Some(plane) = planes.all().get(place) else {
                return &[][..];
            };
            let part = &pixels[plane.offset..][..plane.stride * plane.lines];
            match row {
                Some(row) => &part[row_of(plane, row, picture.rows)],
                None => part,
            }
        });
        let (first, lower) = first.split_at(upper(kernel, first.len()));
        simd.pack(kernel, [first, lower, second, third], pgroups);
    };
    if are_one_line(kernel, picture, rows) {
        pack(None, pgroups);
    } else {
        let to = pgroups.chunks_exact_mut(picture.row_bytes());
        for (at, pgroups) in to.enumerate() {
            pack(Some(rows.row(at)), pgroups);
        }
    }
    true
}
