//! Two fields as one frame.

use crate::convert::ConvertError;
use crate::picture::Picture;
use onair_essence::video::{FrameRate, RTP_CLOCK_HZ};

/// Whether a first and a second field with these RTP timestamps are of one frame, at `rate` frames a second. Fields
/// of one frame are half a frame time apart, or have one time; those of two frames, one and a half or more.
#[must_use]
pub fn are_of_one_frame(rate: FrameRate, first: u32, second: u32) -> bool {
    let ticks = u64::from(second.wrapping_sub(first));
    let frame = u64::from(RTP_CLOCK_HZ) * u64::from(rate.denominator());
    ticks * u64::from(rate.numerator()) < frame
}

/// Writes the fields `first` and `second` as the frame `woven`, line by line, all in the pixel groups of
/// `frame`: the first field has its lines 0, 2, 4 …
///
/// # Errors
/// [`ConvertError::Bytes`]: a buffer is too small.
pub fn weave(
    frame: &Picture,
    first: &[u8],
    second: &[u8],
    woven: &mut [u8],
) -> Result<(), ConvertError> {
    let bytes = frame.row_bytes();
    for (what, have, need) in [
        (
            "the first field",
            first.len(),
            frame.rows.div_ceil(2) * bytes,
        ),
        ("the second field", second.len(), frame.rows / 2 * bytes),
        ("the frame", woven.len(), frame.bytes()),
    ] {
        if have < need {
            return Err(ConvertError::Bytes { what, have, need });
        }
    }
    let mut fields = [first.chunks_exact(bytes), second.chunks_exact(bytes)];
    let lines = woven.chunks_exact_mut(bytes).take(frame.rows);
    for (line, field) in lines.zip([0, 1].into_iter().cycle()) {
        if let Some(from) = fields[field].next() {
            line.copy_from_slice(from);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::{Depth, Sampling};

    #[test]
    fn fields_of_an_odd_height_then_their_lines_in_turn() {
        let frame = Picture::new(2, 5, Sampling::YCbCr422, Depth::Eight).unwrap();
        let lines = |numbers: &[u8]| numbers.iter().flat_map(|it| [*it; 4]).collect::<Vec<_>>();
        let mut woven = vec![0; 20];
        weave(&frame, &lines(&[1, 3, 5]), &lines(&[2, 4]), &mut woven).unwrap();
        assert_eq!(woven, lines(&[1, 2, 3, 4, 5]));
        let error = weave(&frame, &lines(&[1, 3]), &lines(&[2, 4]), &mut woven).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the first field: 8 bytes, but the picture needs 12"
        );
    }
}
