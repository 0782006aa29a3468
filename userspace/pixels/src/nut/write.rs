//! What surrounds frames.

use super::code::{checksum, put, put_bytes};
use super::{FILE_ID, LONG_PACKET, MAX_DISTANCE, NutVideo, VERSION, flag, start};

/// How each frame's flags are: its time and its size are in it.
const FLAGS: u64 = flag::KEY | flag::CODED_PTS | flag::SIZE_MSB | flag::CHECKSUM;

/// Makes the bytes around the frames of one stream.
#[derive(Clone, Copy, Debug)]
pub struct NutWriter {
    video: NutVideo,
    /// Frames a second, as a fraction. Timestamps count frames.
    rate: (u32, u32),
}

impl NutWriter {
    /// Of a stream with `rate` frames a second.
    #[must_use]
    pub const fn new(video: NutVideo, rate: (u32, u32)) -> Self {
        Self { video, rate }
    }

    /// What precedes the first frame.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let mut out = FILE_ID.to_vec();
        let (rate, per) = self.rate;
        let numbers = |numbers: &[u64]| {
            let mut body = Vec::new();
            numbers.iter().for_each(|it| put(&mut body, *it));
            body
        };
        // One stream, one time base. Frame code 0 has the flags, the others (but N) are invalid.
        let main = [VERSION, 1, MAX_DISTANCE, 1, per.into(), rate.into()];
        let codes = [
            FLAGS,
            6,
            0,
            1,
            0,
            0,
            0,
            1,
            flag::INVALID,
            6,
            0,
            1,
            0,
            0,
            0,
            254,
            0,
        ];
        packet(
            &mut out,
            start::MAIN,
            &numbers(&[&main[..], &codes].concat()),
        );
        let mut stream = numbers(&[0, 0]);
        put_bytes(&mut stream, &self.video.tag);
        stream.extend(numbers(&[0, 0, 0, 0, 1, 0]));
        let (width, height) = (self.video.width.into(), self.video.height.into());
        stream.extend(numbers(&[width, height, 1, 1, 0]));
        packet(&mut out, start::STREAM, &stream);
        // A text (-1, as signed numbers are written) of stream 0: FFmpeg has the rate before the first frame.
        let mut info = numbers(&[1, 0, 0, 0, 1]);
        put_bytes(&mut info, b"r_frame_rate");
        put(&mut info, 2);
        put_bytes(&mut info, format!("{rate}/{per}").as_bytes());
        packet(&mut out, start::INFO, &info);
        out
    }

    /// What precedes the frame number `at`, which has so many bytes.
    #[must_use]
    pub fn frame(&self, at: u64, bytes: usize) -> Vec<u8> {
        let (mut out, mut sync) = (Vec::new(), Vec::new());
        put(&mut sync, at);
        put(&mut sync, 0);
        packet(&mut out, start::SYNC_POINT, &sync);
        let begin = out.len();
        out.push(0);
        put(&mut out, at + 1);
        put(&mut out, bytes as u64);
        let sum = checksum(&out[begin..]);
        out.extend_from_slice(&sum.to_be_bytes());
        out
    }
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
