//! The test signal: a tone in each channel, and a counter of the samples in the low 8 bits.
//!
//! Channel *c* has a sine of 1000 Hz + *c* × 100 Hz at −20 dBFS in the upper 16 bits (L16: 8) of a sample. The low
//! 8 bits of sample *n* are byte *n* mod 8 of the counter *n* / 8, the lowest one first: 8 samples in a row say
//! which ones they are.

use std::fmt;

use super::{AudioFormat, Coding};
use crate::send::{PacketPlan, TestSignal};

/// Channel status blocks of AES3 have so many samples.
const AES3_BLOCK: u64 = 192;

/// Why samples are not the test signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ToneFault {
    /// Fewer samples than the counter needs.
    #[error("{0} samples are too few: the counter needs 16")]
    TooFew(usize),
    /// No counter in them.
    #[error("the samples have no counter: they are not the test signal")]
    NoCounter,
    /// A sample differs from what the counter says.
    #[error("sample {sample} of channel {channel} is not that of the test signal")]
    Differs {
        /// Which one, by the counter.
        sample: u64,
        /// The channel, from 0.
        channel: u32,
    },
}

/// The test signal in one format.
#[derive(Clone)]
pub struct Tone {
    /// 10 ms of a sine of 100 Hz; the channels have multiples of that.
    sine: Box<[i16]>,
    coding: Coding,
    channels: u32,
    block: u64,
    blocks: u64,
}

impl fmt::Debug for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tone")
            .field("blocks", &self.blocks)
            .finish_non_exhaustive()
    }
}

impl Tone {
    /// The signal of a format.
    #[must_use]
    pub fn new(format: &AudioFormat) -> Self {
        let period = format.sample_rate() / 100;
        let sine = |at: u32| {
            let phase = std::f64::consts::TAU * f64::from(at) / f64::from(period);
            #[expect(clippy::cast_possible_truncation, reason = "a tenth of the range")]
            {
                (phase.sin() * 3276.7).round() as i16
            }
        };
        Self {
            sine: (0..period).map(sine).collect(),
            coding: format.coding(),
            channels: format.channels(),
            block: format.block_samples().into(),
            blocks: 0,
        }
    }

    /// A sample in 24 bits.
    fn sample(&self, number: u64, channel: u32) -> [u8; 3] {
        let period = self.sine.len() as u64;
        let at = number % period * u64::from(10 + channel) % period;
        let tone = usize::try_from(at).map_or(0, |at| self.sine[at]);
        let [high, low] = tone.to_be_bytes();
        let counter = (number / 8).to_le_bytes();
        let [.., place] = (number % 8).to_be_bytes();
        [high, low, counter[usize::from(place)]]
    }

    /// Writes a sample as it is on the wire.
    fn write(&self, number: u64, channel: u32, out: &mut [u8]) {
        let [high, low, count] = self.sample(number, channel);
        match self.coding {
            Coding::L16 => out.copy_from_slice(&[high, count]),
            Coding::L24 => out.copy_from_slice(&[high, low, count]),
            Coding::Am824 => {
                // ST 2110-31: block start, first subframe, even parity; C, U and V are 0.
                let begins = channel.is_multiple_of(2);
                let block = begins && number.is_multiple_of(AES3_BLOCK);
                let ones = u32::from_be_bytes([0, high, low, count]).count_ones();
                let flags = u8::from(block) << 5 | u8::from(begins) << 4;
                let parity = u8::from(ones % 2 == 1) << 3;
                out.copy_from_slice(&[flags | parity, high, low, count]);
            }
        }
    }

    /// Fills `out` with the samples from byte `offset` of block `block` on. Both are whole samples.
    fn fill_at(&self, block: u64, offset: usize, out: &mut [u8]) {
        let bytes = self.coding.bytes() as usize;
        let of_all = bytes * self.channels as usize;
        let mut number = block
            .wrapping_mul(self.block)
            .wrapping_add((offset / of_all) as u64);
        for samples in out.chunks_exact_mut(of_all) {
            for (channel, sample) in (0..).zip(samples.chunks_exact_mut(bytes)) {
                self.write(number, channel, sample);
            }
            number = number.wrapping_add(1);
        }
    }

    /// Compares samples, as they are on the wire, with the signal. Returns the number of the first one.
    ///
    /// # Errors
    /// [`ToneFault`]: the first difference.
    pub fn verify(&self, bytes: &[u8]) -> Result<u64, ToneFault> {
        let width = self.coding.bytes() as usize;
        let of_all = width * self.channels as usize;
        let count = bytes.len() / of_all;
        if count < 16 {
            return Err(ToneFault::TooFew(count));
        }
        let counter = |sample: usize| bytes[sample * of_all + width - 1];
        let first = (0..8usize).find_map(|start| {
            let mut of_eight = [0; 8];
            of_eight
                .iter_mut()
                .enumerate()
                .for_each(|(at, byte)| *byte = counter(start + at));
            let number = u64::from_le_bytes(of_eight).checked_mul(8)?;
            let first = number.checked_sub(start as u64)?;
            let is_it = |at: usize| {
                let mut expected = [0; 4];
                self.write(first + at as u64, 0, &mut expected[..width]);
                expected[..width] == bytes[at * of_all..][..width]
            };
            (0..16).all(is_it).then_some(first)
        });
        let first = first.ok_or(ToneFault::NoCounter)?;
        let mut expected = [0; 4];
        for (sample, all) in (first..).zip(bytes.chunks_exact(of_all)) {
            for (channel, found) in (0..).zip(all.chunks_exact(width)) {
                self.write(sample, channel, &mut expected[..width]);
                if expected[..width] != *found {
                    return Err(ToneFault::Differs { sample, channel });
                }
            }
        }
        Ok(first)
    }
}

impl TestSignal for Tone {
    fn number(&self) -> u64 {
        self.blocks
    }

    fn start(&mut self) {}

    #[inline]
    fn fill(&mut self, packet: &impl PacketPlan, data: &mut [u8]) {
        let mut at = 0;
        packet.for_each_range(|range| {
            let end = (at + range.len()).min(data.len());
            self.fill_at(self.blocks, range.start, &mut data[at..end]);
            at = end;
        });
    }

    fn finish(&mut self) {
        self.blocks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioDocument, BlockPacketiser};
    use crate::send::Packetise as _;

    fn format(coding: Coding, sample_rate: u32) -> AudioFormat {
        let document = AudioDocument {
            coding,
            sample_rate,
            channels: 4,
            packet_time_us: Some(250),
            block_samples: None,
            channel_order: None,
        };
        AudioFormat::try_from(&document).unwrap()
    }

    /// So many blocks of the signal.
    fn blocks(format: &AudioFormat, count: usize) -> Vec<u8> {
        let mut tone = Tone::new(format);
        let packetiser = BlockPacketiser::new(format, 1452).unwrap();
        let mut all = Vec::new();
        for number in 0..count {
            assert_eq!(tone.number(), number as u64);
            tone.start();
            for index in 0..packetiser.packets(0) {
                let packet = packetiser.packet(0, index).unwrap();
                let mut data = vec![0; packet.bytes() - 12];
                tone.fill(&packet, &mut data);
                all.extend(data);
            }
            tone.finish();
        }
        all
    }

    #[test]
    fn tone_of_each_format_then_found_wherever_it_is_cut() {
        for coding in Coding::ALL {
            for rate in AudioFormat::SAMPLE_RATES {
                let format = format(*coding, rate);
                let tone = Tone::new(&format);
                let all = blocks(&format, 3);
                for cut in [0, 1, 7, 8, 13, 480, 600] {
                    let from = cut * format.sample_bytes();
                    assert_eq!(tone.verify(&all[from..]), Ok(cut as u64), "{format}");
                }
            }
        }
    }

    #[test]
    fn tone_changed_anywhere_then_said_where() {
        let format = format(Coding::L24, 48_000);
        let tone = Tone::new(&format);
        let good = blocks(&format, 1);
        for (byte, sample, channel) in [(12 * 100 + 1, 100, 0), (12 * 479 + 11, 479, 3)] {
            let mut bytes = good.clone();
            bytes[byte] ^= 1;
            assert_eq!(
                tone.verify(&bytes),
                Err(ToneFault::Differs { sample, channel })
            );
        }
        assert_eq!(tone.verify(&[0; 12 * 100]), Err(ToneFault::NoCounter));
        assert_eq!(tone.verify(&good[..12 * 15]), Err(ToneFault::TooFew(15)));
    }

    #[test]
    fn aes3_of_the_tone_then_parity_is_even_and_blocks_begin() {
        let format = format(Coding::Am824, 48_000);
        let mut starts = 0;
        let all = blocks(&format, 2);
        for (at, word) in all.chunks_exact(4).enumerate() {
            let word = u32::from_be_bytes(word.try_into().unwrap());
            // All but the block start and the first subframe count.
            assert_eq!((word & 0x0fff_ffff).count_ones() % 2, 0);
            assert_eq!(word >> 28 & 1 == 1, at % 2 == 0);
            starts += word >> 29 & 1;
        }
        assert_eq!(starts, 2 * 960_u32.div_ceil(192));
    }
}
