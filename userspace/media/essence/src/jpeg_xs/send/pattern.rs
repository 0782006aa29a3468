//! The test signal of JPEG XS: units with right headers, and numbers where the coded picture would be.

use super::JpegXsNotSendable;
use crate::jpeg_xs::JpegXsStream;
use crate::jpeg_xs::codestream::{END, Written, slice_header, write};
use crate::send::{PacketPlan, TestSignal};
use crate::video::Field;

/// Bytes of a slice's header, and of the number behind it.
const SLICE_BYTES: usize = 6;
const NUMBER_BYTES: usize = 8;
/// Fewest bytes of a slice.
const LEAST_SLICE: u64 = 2 * (SLICE_BYTES + NUMBER_BYTES) as u64;
/// Bits of a byte behind the headers: none looks like a marker.
const PLAIN: u8 = 0x7f;

/// Units whose headers agree with the format. Each slice has a slice header, the number of the unit in 8 bytes of 7 bits,
/// the highest first, and bytes that count on. No decoder shows a picture of it.
#[derive(Debug, Clone)]
pub struct CodestreamPattern {
    stream: JpegXsStream,
    /// Of frames or first fields, and of second fields.
    heads: [Written; 2],
    units: u64,
}

impl CodestreamPattern {
    /// The units of a format.
    ///
    /// # Errors
    /// [`JpegXsNotSendable::Pattern`].
    pub fn new(stream: &JpegXsStream) -> Result<Self, JpegXsNotSendable> {
        let fields = [stream.field_of(0), stream.field_of(1)];
        let heads = fields.map(|field: Option<Field>| write(stream, field));
        let slices = stream.height.div_ceil(16);
        let least = 1_024 + u64::from(slices) * LEAST_SLICE;
        let too_few = JpegXsNotSendable::Pattern {
            given: stream.bytes,
            slices,
            least,
        };
        match heads {
            [Some(first), Some(second)] if u64::from(stream.bytes) >= least => Ok(Self {
                stream: stream.clone(),
                heads: [first, second],
                units: 0,
            }),
            _ => Err(too_few),
        }
    }

    /// The bytes of unit `number` from `offset` on.
    pub fn unit(&self, number: u64, offset: usize, out: &mut [u8]) {
        let is_second = self.stream.field_of(number) == Some(Field::Second);
        let head = &self.heads[usize::from(is_second)];
        let (start, end) = (head.bytes.len(), self.stream.bytes as usize - END.len());
        let slices = head.slices as usize;
        let first_of = |slice: usize| start + (slice * (end - start)).div_ceil(slices);
        let (mut at, mut rest) = (offset, out);
        while !rest.is_empty() {
            let is_head = at < start;
            let is_slice = !is_head && at < end;
            let slice = if is_slice {
                (at - start) * slices / (end - start)
            } else {
                0
            };
            let next = match (is_head, is_slice) {
                (true, _) => start,
                (_, true) => first_of(slice + 1),
                _ => at + rest.len(),
            };
            let (part, behind) = rest.split_at_mut((next - at).min(rest.len()));
            if is_head {
                part.copy_from_slice(&head.bytes[at..at + part.len()]);
            } else if is_slice {
                fill(number, slice, at - first_of(slice), part);
            } else {
                let end_of = |at: usize| END.get(at).copied().unwrap_or(0);
                (at - end..)
                    .zip(part.iter_mut())
                    .for_each(|(at, byte)| *byte = end_of(at));
            }
            (at, rest) = (at + part.len(), behind);
        }
    }

    /// The number of a unit of the pattern, from its first slice; `None`: it has none.
    #[must_use]
    pub fn number_of(&self, unit: &[u8]) -> Option<u64> {
        let numbers = self.heads.each_ref().map(|head| {
            let rest = unit.strip_prefix(&head.bytes[..])?;
            let rest = rest.strip_prefix(&slice_header(0)[..])?;
            let digits = rest.get(..NUMBER_BYTES)?.iter();
            Some(digits.fold(0, |number, digit| number << 7 | u64::from(digit & PLAIN)))
        });
        numbers.into_iter().flatten().next()
    }
}

/// Writes the bytes of a slice from `at` on.
fn fill(number: u64, slice: usize, at: usize, out: &mut [u8]) {
    let low = |value: u64| value.to_le_bytes()[0] & PLAIN;
    let of_slice = u16::try_from(slice).unwrap_or(u16::MAX);
    let digits = (0..NUMBER_BYTES)
        .rev()
        .map(|place| low(number >> (7 * place)));
    let head = slice_header(of_slice).into_iter().chain(digits).skip(at);
    let mut rest = out.iter_mut();
    // The head first: it must not take a byte that it does not fill.
    for (head, byte) in head.zip(rest.by_ref()) {
        *byte = head;
    }
    let counted = at.max(SLICE_BYTES + NUMBER_BYTES);
    for (byte, at) in rest.zip(counted..) {
        *byte = low(number.wrapping_add((slice + at) as u64));
    }
}

impl TestSignal for CodestreamPattern {
    fn number(&self) -> u64 {
        self.units
    }

    fn start(&mut self) {}

    fn read(&self, offset: usize, out: &mut [u8]) {
        self.unit(self.units, offset, out);
    }

    fn fill(&mut self, packet: &impl PacketPlan, mut data: &mut [u8]) {
        packet.for_each_range(|range| {
            let (part, rest) = std::mem::take(&mut data).split_at_mut(range.len());
            self.unit(self.units, range.start, part);
            data = rest;
        });
    }

    fn finish(&mut self) {
        self.units += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg_xs::codestream::UnitHeader;
    use crate::jpeg_xs::receive::contradiction;
    use crate::jpeg_xs::{JpegXsDocument, Malformed};
    use serde_json::json;

    fn stream(fields: &serde_json::Value) -> JpegXsStream {
        let mut document = json!({
            "width": 1920, "height": 1080, "frame_rate": "30000/1001", "depth": 10, "bytes": 20_000,
            "profile": "Main422.10", "level": "2k-1", "sublevel": "Sublev3bpp",
        });
        let changed = fields.as_object().unwrap().clone();
        document.as_object_mut().unwrap().extend(changed);
        let document: JpegXsDocument = serde_json::from_value(document).unwrap();
        JpegXsStream::try_from(&document).unwrap()
    }

    fn unit(stream: &JpegXsStream, number: u64) -> Vec<u8> {
        let mut unit = vec![0; stream.bytes as usize];
        CodestreamPattern::new(stream)
            .unwrap()
            .unit(number, 0, &mut unit);
        unit
    }

    #[test]
    fn units_of_each_format_then_headers_agree_with_it() {
        for fields in [
            json!({}),
            json!({"scan": "interlaced", "height": 1081}),
            json!({"sampling": "YCbCr-4:2:0", "frame_rate": "50"}),
            json!({"sampling": "RGB", "depth": 12, "frame_rate": "25/2"}),
            json!({"sampling": "KEY", "depth": 8, "width": 16, "height": 2}),
            json!({"depth": 16, "profile": "High444.12"}),
        ] {
            let stream = stream(&fields);
            let pattern = CodestreamPattern::new(&stream).unwrap();
            for number in [0, 1, 2, 300, 1 << 40] {
                let unit = unit(&stream, number);
                let header = UnitHeader::parse(&unit).unwrap();
                assert_eq!(header.unit_bytes(), Some(unit.len()));
                let found = contradiction(&stream, &header, stream.field_of(number));
                assert_eq!(found, None, "{fields} {header:?}");
                assert_eq!(pattern.number_of(&unit), Some(number));
                assert_eq!(unit[unit.len() - 2..], END);
                // Read from anywhere it is the same.
                let mut part = [0; 700];
                pattern.unit(number, 11_111, &mut part);
                assert_eq!(part, unit[11_111..11_811]);
            }
        }
    }

    #[test]
    fn units_of_another_format_then_the_contradiction_is_named() {
        use Malformed::{OtherLevel, OtherProfile, OtherRaster, OtherSamples};
        let header = UnitHeader::parse(&unit(&stream(&json!({})), 0)).unwrap();
        for (fields, found) in [
            (json!({"width": 1280}), OtherRaster),
            (json!({"height": 540}), OtherRaster),
            (json!({"depth": 12}), OtherSamples),
            (json!({"sampling": "YCbCr-4:4:4"}), OtherSamples),
            (json!({"profile": "High444.12"}), OtherProfile),
            (json!({"level": "4k-1"}), OtherLevel),
            (json!({"sublevel": "Sublev6bpp"}), OtherLevel),
        ] {
            let other = stream(&fields);
            assert_eq!(
                contradiction(&other, &header, None),
                Some(found),
                "{fields}"
            );
        }
        // What is not known or not said contradicts nothing.
        for fields in [
            json!({"profile": null, "level": null, "sublevel": null}),
            json!({"profile": "New1"}),
            json!({"frame_rate": "24995/1000"}),
        ] {
            assert_eq!(contradiction(&stream(&fields), &header, None), None);
        }
    }

    #[test]
    fn units_too_small_for_the_pattern_then_refused() {
        let small = stream(&json!({"bytes": 2_000}));
        let error = CodestreamPattern::new(&small).unwrap_err();
        let JpegXsNotSendable::Pattern { least, .. } = error else {
            panic!("{error}");
        };
        let bytes = json!({"bytes": least});
        assert!(CodestreamPattern::new(&stream(&bytes)).is_ok());
    }
}
