//! The pixels of a buffer in the pixel formats that applications use, and back.
//!
//! A buffer has the pixel groups of RFC 4175 §4.3. [`unpack`] writes its samples in a [`PixelFormat`],
//! [`pack`] does the opposite, both without changing a sample: only formats with the same components and
//! depth are offered. Conversions use the vector instructions that the processor has (`simd`).
//! [`unpack_lines`] and [`pack_lines`] do the same with a field of a frame, [`unpack_rows`] with a part of one,
//! [`place_lines`] with one that is converted already, [`weave`] makes a frame of two fields. [`rgb8`] makes a picture for the screen of any buffer, [`rgb8_small`] a small one. No I/O;
//! the caller gives all memory but that of one row. [`export`] makes files of captured packets, [`pipe`]
//! streams of running sessions.
#![deny(unsafe_code)]

mod conversion;
mod convert;
pub mod export;
pub mod nut;
mod picture;
pub mod pipe;
mod pixel_format;
mod place;
mod row;
mod screen;
#[expect(unsafe_code, reason = "vector instructions that the processor has")]
mod simd;
mod stream;
mod weave;

pub use conversion::Conversion;
pub use convert::{ConvertError, pack, pack_lines, unpack, unpack_lines, unpack_rows};
pub use picture::Lines;
pub use picture::Picture;
pub use pixel_format::{PixelFormat, Plane, Planes, UnknownFormat};
pub use place::place_lines;
pub use screen::{NotShown, Shown, Still, rgb8, rgb8_small};
pub use stream::{FrameStream, NoFrames};
pub use weave::{are_of_one_frame, weave};
