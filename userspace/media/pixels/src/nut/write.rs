//! Bytes around frames.

use super::code::{checksum, put, put_bytes};
use super::{FILE_ID, LONG_PACKET, MAX_DISTANCE, NutVideo, VERSION, flag, start};
use onair_essence::video::{Appearance, Colorimetry, PixelAspect, VideoRange};

/// How each frame's flags are: its time and its size are in it.
const FLAGS: u64 = flag::KEY | flag::CODED_PTS | flag::SIZE_MSB | flag::CHECKSUM;

/// Frame codes besides `N`.
const CODES: u64 = 255;

/// A stream that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NutStream {
    /// Its kind.
    pub kind: NutKind,
    /// Units of its times in a second, as a fraction.
    pub base: (u32, u32),
}

/// Kind of a written stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NutKind {
    /// Frames.
    Video {
        /// Their size and pixels.
        video: NutVideo,
        /// How many come in a second, as a fraction.
        rate: (u32, u32),
        /// Their appearance as the sender declares it.
        said: Appearance,
    },
    /// Samples of all channels in turn, little-endian.
    Pcm {
        /// Bits of a sample: 16 or 24.
        bits: u8,
        /// Samples a second.
        rate: u32,
        /// Samples of each time.
        channels: u32,
    },
}

/// Makes the bytes around the frames of some streams.
#[derive(Clone, Debug)]
pub struct NutWriter {
    streams: Vec<NutStream>,
}

impl NutWriter {
    /// Of a stream with `rate` frames a second. Timestamps count frames.
    #[must_use]
    pub fn new(video: NutVideo, rate: (u32, u32), said: Appearance) -> Self {
        Self::of(vec![NutStream {
            kind: NutKind::Video { video, rate, said },
            base: rate,
        }])
    }

    /// Of these streams, at most 64.
    #[must_use]
    pub const fn of(streams: Vec<NutStream>) -> Self {
        Self { streams }
    }

    /// Bytes before the first frame.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let mut out = FILE_ID.to_vec();
        packet(&mut out, start::MAIN, &self.main());
        for (id, stream) in (0..).zip(&self.streams) {
            packet(&mut out, start::STREAM, &described(id, stream));
        }
        for (id, stream) in (0..).zip(&self.streams) {
            if let NutKind::Video { rate, said, .. } = stream.kind {
                packet(&mut out, start::INFO, &information(id, rate, said));
            }
        }
        out
    }

    /// A time base for each stream, and a frame code: the number of the stream. The other codes (but `N`) are invalid.
    fn main(&self) -> Vec<u8> {
        let count = self.streams.len() as u64;
        let mut main = vec![VERSION, count, MAX_DISTANCE, count];
        for NutStream { base, .. } in &self.streams {
            main.extend([u64::from(base.1), base.0.into()]);
        }
        for stream in 0..count {
            main.extend([FLAGS, 6, 0, 1, stream, 0, 0, 1]);
        }
        main.extend([flag::INVALID, 6, 0, 1, 0, 0, 0, CODES - count, 0]);
        numbers(&main)
    }

    /// Bytes before the frame of the only stream with the number `at`, which has so many bytes.
    #[must_use]
    pub fn frame(&self, at: u64, bytes: usize) -> Vec<u8> {
        self.frame_of(0, at, bytes)
    }

    /// Bytes before the frame of this stream at the time `at`, which has so many bytes. Of one stream the times rise.
    #[must_use]
    pub fn frame_of(&self, stream: u8, at: u64, bytes: usize) -> Vec<u8> {
        let (mut out, mut sync) = (Vec::new(), Vec::new());
        put(
            &mut sync,
            at * self.streams.len() as u64 + u64::from(stream),
        );
        put(&mut sync, 0);
        packet(&mut out, start::SYNC_POINT, &sync);
        let begin = out.len();
        out.push(stream);
        put(&mut out, at + 1);
        put(&mut out, bytes as u64);
        let sum = checksum(&out[begin..]);
        out.extend_from_slice(&sum.to_be_bytes());
        out
    }
}

/// Facts of a stream by name: FFmpeg has the rate before the first frame, and the rest as tags of the stream.
fn information(id: u64, (rate, per): (u32, u32), said: Appearance) -> Vec<u8> {
    let said = said.understood();
    let colorimetry = said.colorimetry.map(|it| it.to_string());
    let transfer = said.transfer.map(|it| it.to_string());
    let range = said.range.map(|it| it.to_string());
    let texts = [
        ("r_frame_rate", Some(format!("{rate}/{per}"))),
        ("colorimetry", colorimetry),
        ("TCS", transfer),
        ("RANGE", range),
    ];
    let texts = texts
        .iter()
        .filter_map(|(name, text)| Some((name, text.as_ref()?)));
    let texts: Vec<_> = texts.collect();
    let mut info = numbers(&[id + 1, 0, 0, 0, texts.len() as u64]);
    for (name, text) in texts {
        put_bytes(&mut info, name.as_bytes());
        // A text: -1, as signed numbers are written.
        put(&mut info, 2);
        put_bytes(&mut info, text.as_bytes());
    }
    info
}

/// The colours that NUT has a number for; 0: unknown.
fn colours(said: Appearance) -> u64 {
    let full = match said.range {
        Some(VideoRange::Narrow) => 0,
        Some(VideoRange::Full | VideoRange::FullProtect) => 16,
        None => return 0,
    };
    match said.colorimetry {
        Some(Colorimetry::Bt601) => 1 + full,
        Some(Colorimetry::Bt709) => 2 + full,
        _ => 0,
    }
}

/// The packet of a stream.
fn described(id: u64, stream: &NutStream) -> Vec<u8> {
    let class = u64::from(matches!(stream.kind, NutKind::Pcm { .. }));
    let mut out = numbers(&[id, class]);
    // Time base, shift, distance, delay, flags (a fixed rate), no more bytes of the codec.
    match stream.kind {
        NutKind::Video { video, said, .. } => {
            let said = said.understood();
            put_bytes(&mut out, &video.tag);
            let (width, height) = (video.width.into(), video.height.into());
            out.extend(numbers(&[id, 0, 0, 0, 1, 0, width, height]));
            // Both 0: unknown.
            let (x, y) = said.pixel_aspect.map_or((0, 0), PixelAspect::ratio);
            out.extend(numbers(&[x.into(), y.into(), colours(said)]));
        }
        NutKind::Pcm {
            bits,
            rate,
            channels,
        } => {
            put_bytes(&mut out, &[b'P', b'S', b'D', bits]);
            let (rate, channels) = (rate.into(), channels.into());
            out.extend(numbers(&[id, 0, 0, 0, 0, 0, rate, 1, channels]));
        }
    }
    out
}

fn numbers(numbers: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    numbers.iter().for_each(|it| put(&mut out, *it));
    out
}

fn packet(out: &mut Vec<u8>, code: u64, body: &[u8]) {
    let begin = out.len();
    let length = body.len() as u64 + 4;
    out.extend_from_slice(&code.to_be_bytes());
    put(out, length);
    if length > LONG_PACKET {
        let sum = checksum(&out[begin..]);
        out.extend_from_slice(&sum.to_be_bytes());
    }
    out.extend_from_slice(body);
    out.extend_from_slice(&checksum(body).to_be_bytes());
}
