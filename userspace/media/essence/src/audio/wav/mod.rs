//! WAV files of audio: RIFF, and RF64 above 4 GiB (EBU Tech 3306), with the time of the first sample in a
//! broadcast extension (EBU Tech 3285).

mod reader;

use std::ops::Range;

use super::samples::{S24, write};
use super::{AudioFormat, Coding};

pub use reader::{NotWav, WavSamples, read};

/// Bytes of the broadcast extension without its coding history.
const BEXT_BYTES: usize = 602;
/// Bytes of the 64-bit sizes, or of what keeps their place.
const DS64_BYTES: u32 = 28;

/// When the first sample was made, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WavTime {
    /// Date: `2026-01-31`.
    pub date: String,
    /// Time of day: `12:00:00`.
    pub time: String,
    /// Samples since midnight.
    pub samples: u64,
}

/// Bits of a sample in the file: AM824 has 24 bits of audio.
#[must_use]
pub const fn bits(coding: Coding) -> u16 {
    match coding {
        Coding::L16 => 16,
        Coding::L24 | Coding::Am824 => 24,
    }
}

/// Bytes of a sample of all channels in the file.
#[must_use]
pub fn sample_bytes(format: &AudioFormat) -> u64 {
    u64::from(bits(format.coding()) / 8) * u64::from(format.channels())
}

/// The header before `samples` samples of each channel: the same length for any number. `None`: a stream whose end is
/// unknown.
#[must_use]
pub fn header(format: &AudioFormat, start: Option<&WavTime>, samples: Option<u64>) -> Vec<u8> {
    let mut out = Vec::with_capacity(740);
    let data = samples.map(|it| it * sample_bytes(format));
    let padded = data.map(|it| it + it % 2);
    out.extend(*b"RIFF\xff\xff\xff\xffWAVE");
    out.extend(*b"JUNK");
    out.extend(DS64_BYTES.to_le_bytes());
    out.resize(out.len() + DS64_BYTES as usize, 0);
    if let Some(start) = start {
        put_bext(&mut out, start);
    }
    put_fmt(&mut out, format);
    out.extend(*b"data\xff\xff\xff\xff");
    let (Some(data), Some(padded)) = (data, padded) else {
        return out;
    };
    let whole = out.len() as u64 - 8 + padded;
    let end = out.len();
    match (u32::try_from(whole), u32::try_from(data)) {
        (Ok(whole), Ok(data)) if whole < u32::MAX => {
            put(&mut out, 4..8, &whole.to_le_bytes());
            put(&mut out, end - 4..end, &data.to_le_bytes());
        }
        _ => {
            put(&mut out, 0..4, b"RF64");
            put(&mut out, 12..16, b"ds64");
            put(&mut out, 20..28, &whole.to_le_bytes());
            put(&mut out, 28..36, &data.to_le_bytes());
            let samples = samples.unwrap_or_default();
            put(&mut out, 36..44, &samples.to_le_bytes());
        }
    }
    out
}

fn put(out: &mut [u8], at: Range<usize>, bytes: &[u8]) {
    out[at].copy_from_slice(bytes);
}

fn put_bext(out: &mut Vec<u8>, start: &WavTime) {
    out.extend(*b"bext");
    out.extend(u32::try_from(BEXT_BYTES).unwrap_or_default().to_le_bytes());
    let at = out.len();
    out.resize(at + BEXT_BYTES, 0);
    let bext = &mut out[at..];
    let mut text = |at: usize, most: usize, text: &str| {
        let text = &text.as_bytes()[..text.len().min(most)];
        put(bext, at..at + text.len(), text);
    };
    text(256, 32, "OnAir");
    text(320, 10, &start.date);
    text(330, 8, &start.time);
    put(bext, 338..346, &start.samples.to_le_bytes());
    put(bext, 346..348, &1u16.to_le_bytes());
}

/// The format chunk: the extensible form beyond two channels of 16 bits.
fn put_fmt(out: &mut Vec<u8>, format: &AudioFormat) {
    const PCM: u16 = 1;
    const EXTENSIBLE: u16 = 0xfffe;
    /// `KSDATAFORMAT_SUBTYPE_PCM` after its first two bytes.
    const SUBTYPE: [u8; 14] = *b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";
    let bits = bits(format.coding());
    let channels = u16::try_from(format.channels()).unwrap_or(u16::MAX);
    let is_plain = channels <= 2 && bits == 16;
    let align = bits / 8 * channels;
    out.extend(*b"fmt ");
    out.extend(if is_plain { 16u32 } else { 40 }.to_le_bytes());
    out.extend(if is_plain { PCM } else { EXTENSIBLE }.to_le_bytes());
    out.extend(channels.to_le_bytes());
    out.extend(format.sample_rate().to_le_bytes());
    out.extend((format.sample_rate() * u32::from(align)).to_le_bytes());
    out.extend(align.to_le_bytes());
    out.extend(bits.to_le_bytes());
    if !is_plain {
        out.extend(22u16.to_le_bytes());
        out.extend(bits.to_le_bytes());
        // No loudspeaker is named: the order of channels is the session's.
        out.extend(0u32.to_le_bytes());
        out.extend(PCM.to_le_bytes());
        out.extend(SUBTYPE);
    }
}

/// Appends the samples of a block to a file.
pub fn append(format: &AudioFormat, block: &[u8], out: &mut Vec<u8>) {
    for sample in block.chunks_exact(format.coding().bytes() as usize) {
        match *sample {
            [a, b] => out.extend([b, a]),
            [a, b, c] | [_, a, b, c] => out.extend([c, b, a]),
            _ => {}
        }
    }
}

/// Fills a block with the samples of a file.
pub fn fill(format: &AudioFormat, samples: &[u8], block: &mut [u8]) {
    if bits(format.coding()) == 16 {
        let samples = samples.as_chunks().0.iter().copied();
        let samples: Vec<_> = samples.map(i16::from_le_bytes).collect();
        write(format, &samples, block);
    } else {
        let samples = samples.as_chunks().0.iter();
        let samples = samples.map(|&[a, b, c]| S24(i32::from_le_bytes([0, a, b, c]) >> 8));
        write(format, &samples.collect::<Vec<_>>(), block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::AudioDocument;

    pub(super) fn format(coding: Coding, channels: u32) -> AudioFormat {
        let document = AudioDocument {
            coding,
            sample_rate: 48_000,
            channels,
            packet_time_us: Some(125),
            block_samples: None,
            channel_order: None,
        };
        AudioFormat::try_from(&document).unwrap()
    }

    fn number(bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .rev()
            .fold(0, |all, byte| all << 8 | u64::from(*byte))
    }

    /// Names and contents of the chunks; the last one is only begun.
    fn chunks(header: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        let mut at = 12;
        while at < header.len() {
            let name = String::from_utf8_lossy(&header[at..at + 4]).into_owned();
            let bytes = usize::try_from(number(&header[at + 4..at + 8])).unwrap();
            let end = header.len().min(at + 8 + bytes);
            found.push((name, header[at + 8..end].to_vec()));
            at = at + 8 + bytes;
        }
        found
    }

    #[test]
    fn header_of_a_short_file_then_riff_with_its_sizes() {
        for (coding, channels, fmt) in [
            (Coding::L16, 2, 16),
            (Coding::L24, 2, 40),
            (Coding::L16, 8, 40),
        ] {
            let format = format(coding, channels);
            let header = header(&format, None, Some(1000));
            let data = 1000 * sample_bytes(&format);
            assert_eq!(&header[..4], b"RIFF");
            assert_eq!(number(&header[4..8]), header.len() as u64 - 8 + data);
            assert_eq!(number(&header[header.len() - 4..]), data);
            let chunks = chunks(&header);
            let names: Vec<_> = chunks.iter().map(|it| it.0.as_str()).collect();
            assert_eq!(names, ["JUNK", "fmt ", "data"]);
            assert_eq!(chunks[1].1.len(), fmt);
        }
    }

    #[test]
    fn header_above_4_gib_then_rf64_of_the_same_length() {
        let format = format(Coding::L24, 2);
        let samples = 1_000_000_000;
        let long = header(&format, None, Some(samples));
        assert_eq!(&long[..4], b"RF64");
        assert_eq!(number(&long[28..36]), samples * 6);
        assert_eq!(number(&long[36..44]), samples);
        assert_eq!(number(&long[20..28]), long.len() as u64 - 8 + samples * 6);
        assert_eq!(long.len(), header(&format, None, Some(1)).len());
        assert_eq!(long.len(), header(&format, None, None).len());
    }

    #[test]
    fn header_with_a_time_then_the_broadcast_extension_has_it() {
        let start = WavTime {
            date: "2026-01-31".to_owned(),
            time: "12:00:01".to_owned(),
            samples: 43_201 * 48_000,
        };
        let header = header(&format(Coding::L16, 2), Some(&start), Some(5));
        let chunks = chunks(&header);
        assert_eq!(chunks[1].0, "bext");
        let bext = &chunks[1].1;
        assert_eq!(&bext[320..338], b"2026-01-3112:00:01");
        assert_eq!(number(&bext[338..346]), 43_201 * 48_000);
    }

    #[test]
    fn samples_of_each_coding_then_the_lowest_byte_is_first() {
        for (coding, block, expected) in [
            (Coding::L16, &[1, 2, 3, 4][..], &[2, 1, 4, 3][..]),
            (Coding::L24, &[1, 2, 3], &[3, 2, 1]),
            (Coding::Am824, &[0x10, 1, 2, 3], &[3, 2, 1]),
        ] {
            let mut out = Vec::new();
            append(&format(coding, 2), block, &mut out);
            assert_eq!(out, expected, "{coding}");
            let mut back = vec![0; block.len()];
            fill(&format(coding, 2), &out, &mut back);
            assert_eq!(back, block, "{coding}");
        }
    }
}
