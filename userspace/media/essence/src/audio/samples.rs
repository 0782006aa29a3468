//! Samples of a block as applications use them.

use std::ops::Range;

use super::{AudioFormat, Coding};

mod sealed {
    pub trait Sealed {}
}

/// A sample as applications use it.
pub trait AudioSample: Copy + sealed::Sealed {
    /// Of a sample whose bits are the upper ones of `bits`.
    fn of_bits(bits: i32) -> Self;

    /// The upper bits.
    fn bits(self) -> i32;
}

/// A signed sample of 24 bits in the lower bits of a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct S24(pub i32);

impl sealed::Sealed for i16 {}
impl sealed::Sealed for i32 {}
impl sealed::Sealed for f32 {}
impl sealed::Sealed for S24 {}

impl AudioSample for i32 {
    #[inline]
    fn of_bits(bits: i32) -> Self {
        bits
    }

    #[inline]
    fn bits(self) -> i32 {
        self
    }
}

impl AudioSample for i16 {
    /// The upper 16 bits.
    #[inline]
    fn of_bits(bits: i32) -> Self {
        (bits >> 16) as Self
    }

    #[inline]
    fn bits(self) -> i32 {
        i32::from(self) << 16
    }
}

impl AudioSample for S24 {
    #[inline]
    fn of_bits(bits: i32) -> Self {
        Self(bits >> 8)
    }

    #[inline]
    fn bits(self) -> i32 {
        self.0 << 8
    }
}

impl AudioSample for f32 {
    /// -1 up to 1; exact for 24 bits.
    #[inline]
    #[expect(clippy::cast_precision_loss, reason = "the upper 24 bits are kept")]
    fn of_bits(bits: i32) -> Self {
        (bits >> 8) as Self / 8_388_608.0
    }

    /// Values beyond -1 and 1 are limited; what is no number is silence.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "limited, and `as` saturates"
    )]
    fn bits(self) -> i32 {
        let scaled = (self * 8_388_608.0)
            .round()
            .clamp(-8_388_608.0, 8_388_607.0);
        (scaled as i32) << 8
    }
}

/// One sample of the wire, in the upper bits.
#[inline]
pub(super) fn upper_bits(coding: Coding, sample: &[u8]) -> i32 {
    match (coding, sample) {
        (Coding::L16, &[a, b]) => i32::from_be_bytes([a, b, 0, 0]),
        (Coding::L24, &[a, b, c]) | (Coding::Am824, &[_, a, b, c]) => {
            i32::from_be_bytes([a, b, c, 0])
        }
        _ => 0,
    }
}

/// Reads the samples of `channels` from the bytes of a block, those of one time in turn. Returns how many it read: as
/// many as `out` has room for.
pub fn read<T: AudioSample>(
    format: &AudioFormat,
    block: &[u8],
    channels: Range<u32>,
    out: &mut [T],
) -> usize {
    let bytes = format.coding().bytes() as usize;
    let channels = channels.start as usize * bytes..channels.end as usize * bytes;
    let times = block.chunks_exact(format.sample_bytes());
    let samples = times.flat_map(|all| {
        let own = all.get(channels.clone()).unwrap_or_default();
        own.chunks_exact(bytes)
    });
    let mut count = 0;
    for (place, sample) in out.iter_mut().zip(samples) {
        *place = T::of_bits(upper_bits(format.coding(), sample));
        count += 1;
    }
    count
}

/// Writes samples of all channels in turn to the bytes of a block. Returns how many it wrote. AM824 gets parity and the
/// mark of first subframes, and no channel status.
pub fn write<T: AudioSample>(format: &AudioFormat, from: &[T], block: &mut [u8]) -> usize {
    let bytes = format.coding().bytes() as usize;
    let mut count = 0;
    for (sample, place) in from.iter().zip(block.chunks_exact_mut(bytes)) {
        let [a, b, c, _] = sample.bits().to_be_bytes();
        match place {
            [x, y] => [*x, *y] = [a, b],
            [x, y, z] => [*x, *y, *z] = [a, b, c],
            [flags, x, y, z] => {
                let is_first = count % 2 == 0;
                let ones = u32::from_be_bytes([0, a, b, c]).count_ones();
                *flags = u8::from(is_first) << 4 | u8::from(ones % 2 == 1) << 3;
                [*x, *y, *z] = [a, b, c];
            }
            _ => {}
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::AudioDocument;

    fn format(coding: Coding) -> AudioFormat {
        let document = AudioDocument {
            coding,
            sample_rate: 48_000,
            channels: 2,
            packet_time_us: None,
            block_samples: None,
            channel_order: None,
        };
        AudioFormat::try_from(&document).unwrap()
    }

    /// Writes 24-bit samples and reads them in another form.
    fn through<T: AudioSample + Default>(coding: Coding, samples: &[i32]) -> Vec<T> {
        let format = format(coding);
        let mut block = vec![0; samples.len() * coding.bytes() as usize];
        let samples: Vec<_> = samples.iter().copied().map(S24).collect();
        assert_eq!(write(&format, &samples, &mut block), samples.len());
        let mut out = vec![T::default(); samples.len()];
        assert_eq!(read(&format, &block, 0..2, &mut out), samples.len());
        out
    }

    #[test]
    fn samples_of_each_coding_then_the_same_in_each_form() {
        let samples = [0, 1, -1, 0x7f_ffff, -0x80_0000, 0x12_3456];
        for coding in [Coding::L24, Coding::Am824] {
            assert_eq!(through::<S24>(coding, &samples), samples.map(S24));
            assert_eq!(through::<i32>(coding, &samples), samples.map(|it| it << 8));
            let floats: Vec<f32> = through(coding, &samples);
            assert_eq!(floats.map_bits(), samples.map(|it| it << 8));
        }
        let upper = [0, 0, -1, 0x7fff, -0x8000, 0x1234];
        assert_eq!(through::<i16>(Coding::L16, &samples), upper);
    }

    trait MapBits {
        fn map_bits(self) -> Vec<i32>;
    }

    impl MapBits for Vec<f32> {
        fn map_bits(self) -> Vec<i32> {
            self.into_iter().map(AudioSample::bits).collect()
        }
    }

    #[test]
    fn one_channel_is_read_alone_and_one_too_many_is_none() {
        let format = format(Coding::L16);
        let block = [0, 1, 0, 2, 0, 3, 0, 4];
        let mut out = [0i16; 8];
        assert_eq!(read(&format, &block, 1..2, &mut out), 2);
        assert_eq!(out[..2], [2, 4]);
        assert_eq!(read(&format, &block, 2..3, &mut out), 0);
        assert_eq!(read(&format, &block, 0..2, &mut out[..3]), 3);
        assert_eq!(out[..3], [1, 2, 3]);
    }

    #[test]
    fn floats_beyond_the_range_then_limited() {
        for (float, bits) in [
            (2.0, 0x7fff_ff00),
            (-2.0, i32::MIN),
            (f32::NAN, 0),
            (f32::INFINITY, 0x7fff_ff00),
            (0.5, 0x4000_0000),
        ] {
            assert_eq!(AudioSample::bits(float), bits, "{float}");
        }
    }
}
