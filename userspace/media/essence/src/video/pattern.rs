//! The built-in test pattern: moving diagonal colour bars with a frame number and a checksum in
//! each frame, so that a receiver can check a frame and identify it.
//!
//! Layout: bytes 0..8 are [`MAGIC`], 8..16 the frame number (little endian), the last 8 the xxh3
//! (64 bits, seed 0, little endian) of all bytes before them, and the picture is between. Every row
//! differs from its neighbours, so that a misplaced row gives a wrong checksum.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::video::{Chroma, Depth, Sampling, VideoFormat};
use onair_net::bytes::array;

/// First bytes of every frame.
pub const MAGIC: [u8; 8] = *b"ONAIRPAT";

/// Bytes before the picture: [`MAGIC`] and frame number.
pub const HEAD_BYTES: usize = 16;

/// Bytes of the checksum.
pub const TAIL_BYTES: usize = 8;

/// Smallest frame size for the pattern, bytes.
pub const MIN_FRAME_BYTES: usize = HEAD_BYTES + TAIL_BYTES;

/// Pgroups that the bars move from frame to frame.
const STEP: u64 = 2;

/// 75 % bars of BT.709 in 8 bits: Y, Cb, Cr.
const BARS: [[u8; 3]; 8] = [
    [180, 128, 128],
    [168, 44, 136],
    [145, 147, 44],
    [133, 63, 52],
    [63, 193, 204],
    [51, 109, 212],
    [28, 212, 120],
    [16, 128, 128],
];

/// The same bars: R, G, B.
const RGB_BARS: [[u8; 3]; 8] = [
    [180, 180, 180],
    [180, 180, 16],
    [16, 180, 180],
    [16, 180, 16],
    [180, 16, 180],
    [180, 16, 16],
    [16, 16, 180],
    [16, 16, 16],
];

/// Why a frame is not a valid frame of the pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too few bytes for the number and checksum.
    #[error("a frame of {0} bytes cannot hold the pattern: {MIN_FRAME_BYTES} are needed")]
    TooSmall(usize),
    /// It does not start with [`MAGIC`].
    #[error("the frame does not start with ONAIRPAT: its source is not the pattern")]
    Magic,
    /// The bytes differ from those sent.
    #[error("checksum of frame {number} is {found:016x}, its bytes give {computed:016x}")]
    Checksum {
        /// The frame number in it; unreliable if that part is damaged.
        number: u64,
        /// Checksum in the frame.
        found: u64,
        /// Checksum of its bytes.
        computed: u64,
    },
}

/// Writes the frames in order, piece by piece: pieces may be packet payloads.
pub struct PatternWriter {
    /// The row of bars, twice, so that any rotation of it is one slice.
    strip: Box<[u8]>,
    line_bytes: usize,
    /// Bytes of the current frame.
    frame_bytes: usize,
    /// Bytes of frames with even and odd numbers: the fields of an odd height differ.
    sizes: [usize; 2],
    pgroup: usize,
    number: u64,
    at: usize,
    hash: Xxh3,
}

impl PatternWriter {
    /// A writer at the start of frame 0.
    ///
    /// # Errors
    /// [`PatternError::TooSmall`]: the format's frame cannot hold number and checksum.
    pub fn new(format: &VideoFormat) -> Result<Self, PatternError> {
        let sizes = [false, true].map(|second| format.rows(second) * format.line_bytes());
        let smallest = sizes[0].min(sizes[1]);
        if smallest < MIN_FRAME_BYTES {
            return Err(PatternError::TooSmall(smallest));
        }
        Ok(Self {
            strip: strip(format),
            line_bytes: format.line_bytes(),
            frame_bytes: sizes[0],
            sizes,
            pgroup: format.pgroup_bytes(),
            number: 0,
            at: 0,
            hash: Xxh3::new(),
        })
    }

    /// Moves to the start of frame `number`. Of interlaced video it is a field: the first one of a frame
    /// if the number is even.
    pub fn start(&mut self, number: u64) {
        self.number = number;
        self.frame_bytes = self.sizes[usize::from(number % 2 == 1)];
        self.at = 0;
        self.hash.reset();
    }

    /// Number of the current frame.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Unwritten bytes of the current frame.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.frame_bytes - self.at
    }

    /// Writes the next bytes of the frame to `dst`. Returns how many; fewer than `dst.len()` only
    /// at the end of the frame.
    pub fn fill(&mut self, dst: &mut [u8]) -> usize {
        let wanted = dst.len().min(self.remaining());
        let mut done = 0;
        while done < wanted {
            done += self.fill_part(&mut dst[done..wanted]);
        }
        done
    }

    fn fill_part(&mut self, dst: &mut [u8]) -> usize {
        let tail = self.frame_bytes - TAIL_BYTES;
        if self.at >= tail {
            let sum = self.hash.digest().to_le_bytes();
            let bytes = copy(&sum[self.at - tail..], dst);
            self.at += bytes;
            return bytes;
        }
        let bytes = if self.at < HEAD_BYTES {
            let mut head = [0; HEAD_BYTES];
            head[..8].copy_from_slice(&MAGIC);
            head[8..].copy_from_slice(&self.number.to_le_bytes());
            copy(&head[self.at..], dst)
        } else {
            let within = self.at % self.line_bytes;
            let end = (self.line_bytes - within).min(tail - self.at);
            let from = self.shift(self.at / self.line_bytes) + within;
            copy(&self.strip[from..from + end], dst)
        };
        self.hash.update(&dst[..bytes]);
        self.at += bytes;
        bytes
    }

    /// Shift of the bars in `row` of this frame, in bytes.
    fn shift(&self, row: usize) -> usize {
        let pgroups = (self.line_bytes / self.pgroup) as u64;
        let shift = ((self.number % pgroups) * STEP + row as u64) % pgroups;
        usize::try_from(shift).expect("below the pgroups of a line") * self.pgroup
    }
}

fn copy(src: &[u8], dst: &mut [u8]) -> usize {
    let bytes = src.len().min(dst.len());
    dst[..bytes].copy_from_slice(&src[..bytes]);
    bytes
}

fn strip(format: &VideoFormat) -> Box<[u8]> {
    let pgroups = format.line_bytes() / format.pgroup_bytes();
    let mut strip = Vec::with_capacity(format.line_bytes() * 2);
    for at in 0..pgroups * 2 {
        pack(format, at % pgroups * BARS.len() / pgroups, &mut strip);
    }
    strip.into_boxed_slice()
}

/// Appends a pgroup of one colour of the bars.
fn pack(format: &VideoFormat, bar: usize, out: &mut Vec<u8>) {
    let [y, cb, cr] = BARS[bar];
    let (samples, repeats): (&[u8], u32) = match (format.sampling(), format.sampling().chroma()) {
        (Sampling::Rgb | Sampling::Xyz, _) => (&RGB_BARS[bar], format.pgroup().pixels),
        (_, Chroma::Full) => (&[cb, y, cr], format.pgroup().pixels),
        (_, Chroma::Half) => (&[cb, y, cr, y], format.pgroup().pixels / 2),
        (_, Chroma::Quarter) => (&[y, y, y, y, cb, cr], format.pgroup().pixels / 2),
        (_, Chroma::None) => (&[y], format.pgroup().pixels),
    };
    let bits = format.depth().bits();
    let mut word = 0u128;
    for _ in 0..repeats {
        for level in samples {
            word = word << bits | u128::from(sample(*level, format.depth()));
        }
    }
    out.extend(&word.to_be_bytes()[16 - format.pgroup_bytes()..]);
}

/// A sample of an 8-bit level.
fn sample(level: u8, depth: Depth) -> u16 {
    if !depth.is_float() {
        return u16::from(level) << (depth.bits() - 8);
    }
    // Binary16 of level / 256: the leading one goes, the exponent's bias is 15.
    let Some(top) = level.checked_ilog2() else {
        return 0;
    };
    let exponent = u16::try_from(top + 7).expect("7 to 14");
    exponent << 10 | (u16::from(level) << (10 - top)) & 0x3ff
}

/// Checks a whole frame and returns its number.
///
/// # Errors
/// [`PatternError`]: what is wrong.
pub fn verify(frame: &[u8]) -> Result<u64, PatternError> {
    let parts = || {
        let (body, found) = frame.split_last_chunk::<TAIL_BYTES>()?;
        Some((array::<8>(body, 0)?, array::<8>(body, 8)?, body, *found))
    };
    let (magic, number, body, found) = parts().ok_or(PatternError::TooSmall(frame.len()))?;
    if magic != MAGIC {
        return Err(PatternError::Magic);
    }
    let number = u64::from_le_bytes(number);
    let found = u64::from_le_bytes(found);
    let computed = xxh3_64(body);
    if found != computed {
        return Err(PatternError::Checksum {
            number,
            found,
            computed,
        });
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::FrameRate;
    use proptest::prelude::*;

    fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
        VideoFormat::new(width, height, depth, FrameRate::new(25, 1).unwrap()).unwrap()
    }

    fn frame(writer: &mut PatternWriter, number: u64) -> Vec<u8> {
        writer.start(number);
        let mut frame = vec![0; writer.remaining()];
        assert_eq!(writer.fill(&mut frame), frame.len());
        assert_eq!(writer.fill(&mut [0]), 0);
        frame
    }

    #[test]
    fn frame_one_byte_changed_then_verify_fails() {
        let mut writer = PatternWriter::new(&format(16, 4, Depth::Ten)).unwrap();
        let whole = frame(&mut writer, 77);
        assert_eq!(verify(&whole), Ok(77));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(verify(&changed).is_err(), "byte {at}");
        }
        assert_eq!(verify(&whole[..23]), Err(PatternError::TooSmall(23)));
        assert_eq!(verify(&[0; 24]), Err(PatternError::Magic));
    }

    #[test]
    fn frames_two_rows_swapped_or_next_number_then_pictures_differ() {
        let format = format(320, 8, Depth::Eight);
        let mut writer = PatternWriter::new(&format).unwrap();
        let first = frame(&mut writer, 0);
        let second = frame(&mut writer, 1);
        let rows: Vec<_> = first.chunks(format.line_bytes()).collect();
        assert_ne!(rows[2], rows[3]);
        assert_ne!(first[640..1280], second[640..1280]);
    }

    #[test]
    fn frame_too_small_then_an_error_names_its_size() {
        let error = PatternWriter::new(&format(2, 5, Depth::Eight)).err();
        assert_eq!(error, Some(PatternError::TooSmall(20)));
        PatternWriter::new(&format(2, 6, Depth::Eight)).unwrap();
    }

    #[test]
    fn frames_of_each_sampling_and_depth_then_full_and_numbered() {
        let rate = FrameRate::new(25, 1).unwrap();
        for sampling in Sampling::ALL {
            for depth in Depth::ALL {
                let samples = (*sampling, *depth);
                let format =
                    VideoFormat::of((48, 8), samples, crate::video::Scan::Progressive, rate);
                let Ok(format) = format else { continue };
                let mut writer = PatternWriter::new(&format).unwrap();
                assert_eq!(writer.strip.len(), 2 * format.line_bytes(), "{samples:?}");
                let whole = frame(&mut writer, 5);
                assert_eq!((whole.len(), verify(&whole)), (format.frame_bytes(), Ok(5)));
                assert_ne!(whole[100..], frame(&mut writer, 6)[100..]);
            }
        }
        assert_eq!(
            [128, 1, 0, 180].map(|it| sample(it, Depth::SixteenFloat)),
            [0x3800, 0x1c00, 0, 0x39a0]
        );
        assert_eq!(sample(180, Depth::Twelve), 2880);
    }

    #[test]
    fn fields_of_an_odd_height_then_the_second_is_a_line_shorter() {
        let rate = FrameRate::new(25, 1).unwrap();
        let samples = (Sampling::YCbCr422, Depth::Ten);
        let format =
            VideoFormat::of((48, 7), samples, crate::video::Scan::Interlaced, rate).unwrap();
        let mut writer = PatternWriter::new(&format).unwrap();
        for number in 0..4 {
            let field = frame(&mut writer, number);
            assert_eq!(field.len(), if number % 2 == 0 { 480 } else { 360 });
            assert_eq!(verify(&field), Ok(number));
        }
    }

    proptest! {
        #[test]
        fn frame_written_in_any_pieces_then_equal_to_one_piece(
            half_width in 1u32..40, height in 12u32..20, ten: bool, number: u64,
            pieces in prop::collection::vec(1usize..500, 1..8),
        ) {
            let depth = if ten { Depth::Ten } else { Depth::Eight };
            let mut writer = PatternWriter::new(&format(half_width * 2, height, depth)).unwrap();
            let whole = frame(&mut writer, number);
            prop_assert_eq!(verify(&whole), Ok(number));
            writer.start(number);
            let mut pieced = Vec::new();
            for piece in pieces.iter().cycle() {
                let mut part = vec![0; *piece];
                let bytes = writer.fill(&mut part);
                pieced.extend_from_slice(&part[..bytes]);
                if bytes == 0 {
                    break;
                }
            }
            prop_assert_eq!(pieced, whole);
        }
    }
}
