//! A second of audio for the eye: the waveform of each channel, and its levels. Bytes in, pixels out.

mod drawing;
mod glyphs;

use serde::{Deserialize, Serialize};

use super::samples::upper_bits;
use super::{AudioFormat, AudioLevel, AudioMeter};
use crate::rtp::{PayloadTypes, RtpHeader};

/// Columns of a waveform.
const COLUMNS: usize = 960;

/// Smallest and largest sample of 24 bits in a column; without samples the first is above the second.
#[derive(Debug, Clone, Copy)]
struct Column(i32, i32);

impl Column {
    const EMPTY: Self = Self(i32::MAX, i32::MIN);

    const fn range(self) -> Option<(i32, i32)> {
        if self.0 <= self.1 {
            return Some((self.0, self.1));
        }
        None
    }
}

/// The figures of the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveformFigures {
    /// Samples of each channel that came, of a second.
    pub samples: u32,
    /// Samples of a second.
    pub sample_rate: u32,
    /// Level of each channel.
    pub levels: Vec<AudioLevel>,
}

/// The picture of a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaveformPicture {
    /// Pixels in a line, and lines.
    pub size: (usize, usize),
    /// Red, green and blue of each pixel, line by line.
    pub rgb: Vec<u8>,
    /// Its figures.
    pub figures: WaveformFigures,
}

/// Collects a second of a stream, from the first packet on.
#[derive(Debug)]
pub struct Waveform {
    format: AudioFormat,
    payload_types: PayloadTypes,
    /// Source and timestamp of the first packet.
    start: Option<(u32, u32)>,
    /// `COLUMNS` columns of the first channel, then those of the next: lowest and highest sample of each.
    columns: Vec<Column>,
    meter: AudioMeter,
    samples: u32,
    is_over: bool,
}

impl Waveform {
    /// Of packets with one of these RTP payload types.
    #[must_use]
    pub fn new(format: &AudioFormat, payload_types: PayloadTypes) -> Self {
        Self {
            format: format.clone(),
            payload_types,
            start: None,
            columns: vec![Column::EMPTY; format.channels() as usize * COLUMNS],
            meter: AudioMeter::new(format),
            samples: 0,
            is_over: false,
        }
    }

    /// Takes an RTP packet. One that does not fit the format, or of another source, changes nothing.
    pub fn packet(&mut self, rtp: &[u8]) {
        let Ok((rtp, payload)) = RtpHeader::parse(rtp) else {
            return;
        };
        let fits =
            self.payload_types.has(rtp.payload_type) && payload.len() == self.format.packet_bytes();
        if self.is_over || !fits {
            return;
        }
        let (source, first) = *self.start.get_or_insert((rtp.ssrc, rtp.timestamp));
        let (ticks, second) = (rtp.timestamp.wrapping_sub(first), self.format.sample_rate());
        if source != rtp.ssrc {
            return;
        }
        match ticks {
            _ if ticks < second => self.draw(ticks, payload, rtp.timestamp),
            // The second is over.
            _ if ticks < 2 * second => self.is_over = true,
            // Older than the first packet, as copies and late ones are.
            _ if ticks > u32::MAX - second => {}
            _ => *self = Self::new(&self.format, self.payload_types),
        }
    }

    fn draw(&mut self, ticks: u32, payload: &[u8], timestamp: u32) {
        let bytes = self.format.coding().bytes() as usize;
        let second = u64::from(self.format.sample_rate());
        self.meter.packet(timestamp, payload);
        for (tick, all) in
            (u64::from(ticks)..).zip(payload.chunks_exact(self.format.sample_bytes()))
        {
            let column = tick.min(second - 1) * COLUMNS as u64 / second;
            let lanes = self.columns.chunks_exact_mut(COLUMNS);
            for (lane, sample) in lanes.zip(all.chunks_exact(bytes)) {
                let sample = upper_bits(self.format.coding(), sample) >> 8;
                let Some(Column(lowest, highest)) =
                    usize::try_from(column).ok().and_then(|it| lane.get_mut(it))
                else {
                    continue;
                };
                (*lowest, *highest) = ((*lowest).min(sample), (*highest).max(sample));
            }
        }
        self.samples += self.format.packet_samples();
    }

    /// The picture, once the second is over.
    #[must_use]
    pub fn picture(&self) -> Option<WaveformPicture> {
        if !self.is_over {
            return None;
        }
        let levels = self.meter.levels();
        let lanes = self
            .columns
            .chunks_exact(COLUMNS)
            .zip(levels.iter().copied());
        let (size, rgb) = drawing::draw(&lanes.collect::<Vec<_>>());
        let sample_rate = self.format.sample_rate();
        Some(WaveformPicture {
            size,
            rgb,
            figures: WaveformFigures {
                samples: self.samples.min(sample_rate),
                sample_rate,
                levels,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioDocument, Coding};

    fn format(channels: u32) -> AudioFormat {
        let packet_time_us = if channels > 8 { 125 } else { 1000 };
        let document = AudioDocument {
            coding: Coding::L16,
            sample_rate: 48_000,
            channels,
            packet_time_us: Some(packet_time_us),
            block_samples: None,
            channel_order: None,
        };
        AudioFormat::try_from(&document).unwrap()
    }

    fn packet(number: u32, payload: &[u8]) -> Vec<u8> {
        let rtp = RtpHeader {
            marker: false,
            payload_type: 97,
            sequence: 0,
            timestamp: (u32::MAX - 1000).wrapping_add(number * 48),
            ssrc: 7,
        };
        [&rtp.to_bytes()[..], payload].concat()
    }

    /// Half of full scale up and down in the first channel, silence in the second one.
    fn payload() -> Vec<u8> {
        [[0x40, 0, 0, 0], [0xc0, 0, 0, 0]].concat().repeat(24)
    }

    /// Columns of the first channel that have this colour in this line of its lane.
    fn of_colour(picture: &WaveformPicture, line: usize, colour: [u8; 3]) -> usize {
        let row = (30 + line) * picture.size.0 * 3;
        let row = &picture.rgb[row..row + picture.size.0 * 3];
        let row = row.chunks_exact(3);
        row.filter(|it| **it == colour).count()
    }

    #[test]
    fn second_of_audio_then_waveform_levels_and_gaps_in_the_picture() {
        let mut waveform = Waveform::new(&format(2), 97.into());
        for number in 0..=1000 {
            assert_eq!(waveform.picture(), None, "{number}");
            // A tenth of the second is lost.
            if !(500..600).contains(&number) {
                waveform.packet(&packet(number, &payload()));
            }
        }
        let picture = waveform.picture().unwrap();
        let figures = &picture.figures;
        assert_eq!((figures.samples, figures.sample_rate), (43_200, 48_000));
        let peaks: Vec<_> = figures.levels.iter().map(|it| it.peak_hundredths).collect();
        assert_eq!(peaks, [Some(-602), None]);
        let (columns, lines) = picture.size;
        assert_eq!(picture.rgb.len(), columns * lines * 3);
        let (wave, missing) = ([0x4f, 0xc3, 0xf7], [0x5c, 0x1f, 0x1f]);
        // A lane has 64 lines: half of full scale reaches from line 15 to 47.
        for (line, waves) in [(8, 0), (20, 864), (44, 864), (56, 0)] {
            assert_eq!(of_colour(&picture, line, wave), waves, "line {line}");
            assert_eq!(of_colour(&picture, line, missing), 96, "line {line}");
        }
        assert_eq!(of_colour(&picture, 68 + 20, wave), 0, "silence");
    }

    #[test]
    fn packets_of_others_or_hostile_then_the_second_goes_on() {
        let mut waveform = Waveform::new(&format(64), 97.into());
        let payload = [0x80; 48 * 64 * 2];
        assert!(format(64).packet_bytes() < payload.len());
        for number in [0, 1, 900_000, 0, 2_000_000] {
            waveform.packet(&packet(number, &payload[..format(64).packet_bytes()]));
            waveform.packet(&packet(number, &payload));
            waveform.packet(&packet(number, &[])[..11]);
        }
        assert_eq!(waveform.picture(), None);
        let mut waveform = Waveform::new(&format(1), 97.into());
        let lowest = [0x80, 0].repeat(48);
        for number in 0..=1000 {
            let mut other = packet(number, &lowest);
            waveform.packet(&packet(number, &lowest));
            other[11] ^= 1;
            waveform.packet(&other);
        }
        let picture = waveform.picture().unwrap();
        assert_eq!(picture.figures.samples, 48_000);
        assert_eq!(of_colour(&picture, 63, [0xe5, 0x39, 0x35]), 960 + 2);
    }
}
