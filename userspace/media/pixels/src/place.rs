//! Pixels that are in the wanted format already.

use crate::convert::ConvertError;
use crate::picture::{Lines, Picture};
use crate::pixel_format::PixelFormat;

/// Copies `from`, which has only these lines of the frame `picture`, to `pixels`, which are the whole frame;
/// both are in the planes of `format`. The other lines stay as they are.
///
/// # Errors
/// [`ConvertError`]: the format cannot represent the picture, or a buffer is too small.
pub fn place_lines(
    picture: &Picture,
    lines: Lines,
    format: PixelFormat,
    from: &[u8],
    pixels: &mut [u8],
) -> Result<(), ConvertError> {
    let part = Picture {
        rows: lines.rows_of(picture.rows),
        ..*picture
    };
    let (planes, parts) = (format.planes(picture), format.planes(&part));
    if !format.holds(picture) {
        return Err(ConvertError::format(picture, format));
    }
    for (what, have, need) in [
        ("the lines", from.len(), parts.bytes),
        ("pixels", pixels.len(), planes.bytes),
    ] {
        if have < need {
            return Err(ConvertError::Bytes { what, have, need });
        }
    }
    for (plane, part) in planes.all().iter().zip(parts.all()) {
        let out = &mut pixels[plane.offset..plane.offset + plane.stride * plane.lines];
        let own = from[part.offset..].chunks_exact(part.stride);
        let placed = lines.of_mut(out, plane.stride).zip(own);
        placed.for_each(|(line, own)| line.copy_from_slice(own));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use onair_essence::video::{Depth, Sampling};

    use super::*;
    use crate::{unpack, unpack_lines};

    #[test]
    fn fields_placed_then_as_if_converted_into_the_frame() {
        let depth = Depth::from_bits(10, false).unwrap();
        let of = |lines| Picture::new(50, lines, Sampling::YCbCr422, depth).unwrap();
        let frame = of(9);
        for format in PixelFormat::of(&frame) {
            let bytes = format.planes(&frame).bytes;
            let (mut expected, mut placed) = (vec![0; bytes], vec![0; bytes]);
            for (lines, field, fill) in [(Lines::First, of(5), 0x3C), (Lines::Second, of(4), 0xA5)]
            {
                let pgroups = vec![fill; field.bytes()];
                unpack_lines(&frame, lines, &pgroups, format, &mut expected).unwrap();
                let mut pixels = vec![0; format.planes(&field).bytes];
                unpack(&field, &pgroups, format, &mut pixels).unwrap();
                place_lines(&frame, lines, format, &pixels, &mut placed).unwrap();
                let short = &pixels[..pixels.len() - 1];
                assert!(place_lines(&frame, lines, format, short, &mut placed).is_err());
            }
            assert!(placed == expected, "{format}");
        }
        let wrong = place_lines(&frame, Lines::All, PixelFormat::Rgba, &[], &mut []);
        assert!(matches!(wrong, Err(ConvertError::Format { .. })));
    }
}
