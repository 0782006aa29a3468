//! Frames in files: three planes of 4:2:2, from the pgroups of RFC 4175.

use onair_media::video::{Depth, VideoFormat};

/// FFmpeg's name of the pixel format.
pub(crate) const fn pixel_format(depth: Depth) -> &'static str {
    match depth {
        Depth::Eight => "yuv422p",
        Depth::Ten => "yuv422p10le",
    }
}

/// Bytes of a sample in the file.
const fn sample_bytes(depth: Depth) -> usize {
    match depth {
        Depth::Eight => 1,
        Depth::Ten => 2,
    }
}

/// Bytes of a frame in the file.
pub(crate) const fn frame_bytes(format: &VideoFormat) -> usize {
    // Two pixels have two luma samples and one of each colour difference.
    format.frame_pgroups() * 4 * sample_bytes(format.depth())
}

/// Appends the planes Y, Cb and Cr of the frame `pgroups`.
pub(crate) fn write(format: &VideoFormat, pgroups: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + frame_bytes(format), 0);
    let planes = &mut out[start..];
    let half = planes.len() / 2;
    let (luma, chroma) = planes.split_at_mut(half);
    let (blue, red) = chroma.split_at_mut(half / 2);
    match format.depth() {
        Depth::Eight => {
            let places = luma.chunks_exact_mut(2).zip(blue).zip(red);
            for (pgroup, ((luma, blue), red)) in pgroups.chunks_exact(4).zip(places) {
                *blue = pgroup[0];
                *red = pgroup[2];
                luma.copy_from_slice(&[pgroup[1], pgroup[3]]);
            }
        }
        Depth::Ten => {
            let colours = blue.chunks_exact_mut(2).zip(red.chunks_exact_mut(2));
            let places = luma.chunks_exact_mut(4).zip(colours);
            for (pgroup, (luma, (blue, red))) in pgroups.chunks_exact(5).zip(places) {
                let [cb, y0, cr, y1] = samples(pgroup);
                blue.copy_from_slice(&cb.to_le_bytes());
                red.copy_from_slice(&cr.to_le_bytes());
                luma[..2].copy_from_slice(&y0.to_le_bytes());
                luma[2..].copy_from_slice(&y1.to_le_bytes());
            }
        }
    }
}

/// Four samples of 10 bits, most significant bit first: Cb, Y0, Cr, Y1 (RFC 4175 §4.3).
fn samples(pgroup: &[u8]) -> [u16; 4] {
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| u16::from(pgroup[at]));
    [
        a << 2 | b >> 6,
        (b & 0x3f) << 4 | c >> 4,
        (c & 0x0f) << 6 | d >> 2,
        (d & 0x03) << 8 | e,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_media::video::FrameRate;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frame_any_samples_then_each_in_its_plane(
            half_width in 1u32..20, height in 1u32..8, ten: bool, seed: u64,
        ) {
            let depth = if ten { Depth::Ten } else { Depth::Eight };
            let rate = FrameRate::new(25, 1).unwrap();
            let format = VideoFormat::new(half_width * 2, height, depth, rate).unwrap();
            let mut dice = seed | 1;
            let mut roll = || {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                u16::try_from(dice % (1 << depth.bits())).unwrap()
            };
            let (mut luma, mut blue, mut red, mut packed) = (vec![], vec![], vec![], vec![]);
            for _ in 0..format.frame_pgroups() {
                let [cb, y0, cr, y1] = [roll(), roll(), roll(), roll()];
                luma.extend([y0, y1]);
                blue.push(cb);
                red.push(cr);
                // The bits in sequence, as RFC 4175 draws them.
                let word = [cb, y0, cr, y1].iter().fold(0u64, |word, it| word << depth.bits() | u64::from(*it));
                packed.extend(&word.to_be_bytes()[8 - depth.pgroup_bytes()..]);
            }
            let mut out = vec![7];
            write(&format, &packed, &mut out);
            let planes = luma.into_iter().chain(blue).chain(red);
            let expected: Vec<u8> = planes.flat_map(|it: u16| it.to_le_bytes().into_iter().take(if ten { 2 } else { 1 })).collect();
            prop_assert_eq!(&out[1..], &expected);
        }
    }
}
