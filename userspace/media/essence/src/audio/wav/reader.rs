//! The header before the samples of a WAV file that another program wrote.

use onair_net::bytes::array;

use super::bits;
use crate::audio::AudioFormat;

/// Most bytes before the samples.
const MOST: u64 = 1 << 20;
const PCM: u16 = 1;
const EXTENSIBLE: u16 = 0xfffe;

/// Why a file is not what a session sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWav {
    /// No RIFF or RF64.
    #[error("the input is not WAV")]
    Signature,
    /// No format before the samples, or no samples in the first [`MOST`] bytes.
    #[error("the WAV file has no format or no samples in its first {MOST} bytes")]
    Incomplete,
    /// Other samples.
    #[error(
        "the WAV file has {channels} channels of {bits} bits at {sample_rate} Hz in format {coding}, but the session \
         sends {wanted}: convert it (ffmpeg {arguments})"
    )]
    Differs {
        /// Channels.
        channels: u16,
        /// Bits of a sample.
        bits: u16,
        /// Samples a second.
        sample_rate: u32,
        /// Format tag; 1 is PCM.
        coding: u16,
        /// The session's format.
        wanted: String,
        /// Arguments with which ffmpeg converts it.
        arguments: String,
    },
}

/// Where the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WavSamples {
    /// First byte of them.
    pub start: usize,
    /// Bytes; `None`: up to the end of the file.
    pub bytes: Option<u64>,
}

/// Reads the start of a file. `None`: more of it is needed, at most [`MOST`] bytes and some.
///
/// # Errors
/// [`NotWav`].
pub fn read(format: &AudioFormat, file: &[u8]) -> Result<Option<WavSamples>, NotWav> {
    let Some(&[a, b, c, d, _, _, _, _, ref kind @ ..]) = file.first_chunk::<12>() else {
        return Ok(None);
    };
    if !matches!(&[a, b, c, d], b"RIFF" | b"RF64") || kind != b"WAVE" {
        return Err(NotWav::Signature);
    }
    let (mut at, mut long, mut is_known) = (12, None, false);
    while at < MOST {
        let chunk = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(chunk) = file.get(chunk..) else {
            return Ok(None);
        };
        let (Some(name), Some(length)) = (array::<4>(chunk, 0), array(chunk, 4)) else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(length);
        match &name {
            b"fmt " if length < 16 => return Err(NotWav::Incomplete),
            b"fmt " => {
                let coding = array(chunk, 32);
                let (Some(head), false) = (array(chunk, 8), length >= 26 && coding.is_none())
                else {
                    return Ok(None);
                };
                check(format, &head, coding.filter(|_| length >= 26))?;
                is_known = true;
            }
            b"ds64" => match array(chunk, 16) {
                Some(bytes) => long = Some(u64::from_le_bytes(bytes)),
                None => return Ok(None),
            },
            b"data" if is_known => {
                let bytes = match length {
                    u32::MAX => long,
                    length => Some(length.into()),
                };
                let start = usize::try_from(at + 8).unwrap_or(usize::MAX);
                return Ok(Some(WavSamples { start, bytes }));
            }
            b"data" => return Err(NotWav::Incomplete),
            _ => {}
        }
        at += 8 + u64::from(length) + u64::from(length % 2);
    }
    Err(NotWav::Incomplete)
}

/// Compares a format chunk with the session's format; `coding` is that of the extensible form.
fn check(format: &AudioFormat, head: &[u8; 16], coding: Option<[u8; 2]>) -> Result<(), NotWav> {
    let &[t, u, c, d, e, f, g, h, .., x, y] = head;
    let coding = match u16::from_le_bytes([t, u]) {
        EXTENSIBLE => coding.map_or(EXTENSIBLE, u16::from_le_bytes),
        coding => coding,
    };
    let found = (u16::from_le_bytes([c, d]), u16::from_le_bytes([x, y]));
    let sample_rate = u32::from_le_bytes([e, f, g, h]);
    let wanted = (format.channels(), bits(format.coding()));
    if (u32::from(found.0), found.1) == wanted
        && (sample_rate, coding) == (format.sample_rate(), PCM)
    {
        return Ok(());
    }
    Err(NotWav::Differs {
        channels: found.0,
        bits: found.1,
        sample_rate,
        coding,
        wanted: format!(
            "{} of {} bits at {} Hz",
            wanted.0,
            wanted.1,
            format.sample_rate()
        ),
        arguments: format!(
            "-ac {} -ar {} -c:a pcm_s{}le",
            wanted.0,
            format.sample_rate(),
            wanted.1
        ),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::format;
    use super::super::{header, sample_bytes};
    use super::*;
    use crate::audio::Coding;

    #[test]
    fn header_of_our_own_in_parts_then_where_the_samples_are() {
        for (coding, channels) in [(Coding::L16, 2), (Coding::L24, 2), (Coding::L16, 8)] {
            let format = format(coding, channels);
            for samples in [Some(7), Some(1 << 32), None] {
                let file = header(&format, None, samples);
                let found = WavSamples {
                    start: file.len(),
                    bytes: samples.map(|it| it * sample_bytes(&format)),
                };
                assert_eq!(read(&format, &file), Ok(Some(found)));
                for end in 0..file.len() {
                    assert_eq!(read(&format, &file[..end]), Ok(None), "{end}");
                }
            }
        }
    }

    #[test]
    fn header_of_other_samples_then_said_what_they_are() {
        let file = header(&format(Coding::L16, 2), None, None);
        let error = read(&format(Coding::L24, 4), &file).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("2 channels of 16 bits at 48000 Hz"), "{text}");
        let end =
            "sends 4 of 24 bits at 48000 Hz: convert it (ffmpeg -ac 4 -ar 48000 -c:a pcm_s24le)";
        assert!(text.ends_with(end), "{text}");
        let mut float = file;
        float[56] = 3;
        let error = read(&format(Coding::L16, 2), &float).unwrap_err();
        assert!(error.to_string().contains("format 3"), "{error}");
    }

    #[test]
    fn file_without_format_or_samples_then_refused() {
        let format = format(Coding::L16, 2);
        let wave = b"RIFF\0\0\0\0WAVE".to_vec();
        assert_eq!(read(&format, b"RIFX\0\0\0\0WAVE"), Err(NotWav::Signature));
        let data = [&wave[..], b"data\x08\0\0\0"].concat();
        assert_eq!(read(&format, &data), Err(NotWav::Incomplete));
        let short = [&wave[..], b"fmt \x08\0\0\0", &[0; 16]].concat();
        assert_eq!(read(&format, &short), Err(NotWav::Incomplete));
        let long = [&wave[..], b"LIST\xff\xff\xff\xff"].concat();
        assert_eq!(read(&format, &long), Err(NotWav::Incomplete));
    }

    proptest! {
        #[test]
        fn header_of_any_bytes_then_samples_are_in_reach(
            bytes in prop::collection::vec(any::<u8>(), 0..120),
            at in 12usize..60,
            name in prop::sample::select(vec![*b"fmt ", *b"data", *b"ds64"]),
        ) {
            let mut file = header(&format(Coding::L16, 2), None, Some(3));
            file.truncate(at);
            file.extend(name);
            file.extend(&bytes);
            if let Ok(Some(found)) = read(&format(Coding::L16, 2), &file) {
                prop_assert!(found.start <= file.len());
            }
        }
    }
}
