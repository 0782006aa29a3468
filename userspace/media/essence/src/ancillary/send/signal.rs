//! The test signal of ancillary data: timecode that counts, and a caption.

use crate::ancillary::content::{CEA_608, TIMECODE, Timecode, TimecodeSource};
use crate::ancillary::stream::AncillaryStream;
use crate::ancillary::unit::{Place, UnitWriter};
use crate::send::{PacketPlan, TestSignal};
use crate::video::FrameRate;

/// Bytes that its units have at most.
const BYTES: usize = 256;
/// The caption: two characters a unit, on channel 1.
const CAPTION: &[u8; 20] = b"ONAIR ANCILLARY DATA";
/// Line of the timecode and the caption, in the vertical blanking of all usual rasters.
const LINE: u16 = 9;
/// First field, 12 lines below line 9: line 21, where CEA-608 is (ST 334-1 §5).
const LINE_21: u8 = 0x8c;
/// Frames a second that a timecode can count.
const MOST_FRAMES: u32 = 30;

/// Units with ancillary timecode whose user bits are the number of the unit, and with pairs of CEA-608 characters.
#[derive(Debug)]
pub struct AncillarySignal {
    rate: FrameRate,
    units: u64,
    unit: Box<[u8; BYTES]>,
}

impl AncillarySignal {
    /// A signal with as many units a second as the stream has.
    #[must_use]
    pub fn new(stream: &AncillaryStream) -> Self {
        Self {
            rate: stream.unit_rate(),
            units: 0,
            unit: Box::new([0; BYTES]),
        }
    }

    /// The time of a unit, from midnight; of several units that a timecode counts as one frame the same.
    fn timecode(&self, number: u64) -> Timecode {
        let units = self.rate.numerator().div_ceil(self.rate.denominator());
        let together = units.div_ceil(MOST_FRAMES);
        let frames = number / u64::from(together);
        let a_second = u64::from(units.div_ceil(together));
        let seconds = frames / a_second;
        let digits = |value: u64| u8::try_from(value).expect("below 60");
        let [.., a, b, c, d] = number.to_be_bytes();
        Timecode {
            hours: digits(seconds / 3600 % 24),
            minutes: digits(seconds / 60 % 60),
            seconds: digits(seconds % 60),
            frames: digits(frames % a_second),
            drop_frame: false,
            source: TimecodeSource::Linear,
            user: u32::from_be_bytes([a, b, c, d]),
        }
    }
}

/// A character with odd parity, as CEA-608 has it.
const fn odd(character: u8) -> u8 {
    let is_even = character.count_ones().is_multiple_of(2);
    character | if is_even { 0x80 } else { 0 }
}

impl TestSignal for AncillarySignal {
    fn number(&self) -> u64 {
        self.units
    }

    fn start(&mut self) {
        let timecode = self.timecode(self.units);
        let pair = self.units % (CAPTION.len() as u64 / 2);
        let pair = usize::try_from(pair).expect("below the caption") * 2;
        let caption = [LINE_21, odd(CAPTION[pair]), odd(CAPTION[pair + 1])];
        let place = Place {
            line: LINE,
            offset: 0,
            ..Place::default()
        };
        let mut unit = UnitWriter::new(&mut self.unit[..]).expect("a unit fits");
        let packets = [(TIMECODE, &timecode.to_data()[..]), (CEA_608, &caption[..])];
        for (kind, data) in packets {
            unit.push(place, kind, data).expect("two packets fit");
        }
    }

    fn read(&self, offset: usize, out: &mut [u8]) {
        let rest = &self.unit[offset.min(BYTES)..];
        let bytes = rest.len().min(out.len());
        out[..bytes].copy_from_slice(&rest[..bytes]);
    }

    fn fill(&mut self, _packet: &impl PacketPlan, _data: &mut [u8]) {}

    fn finish(&mut self) {
        self.units += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ancillary::AncillaryDocument;
    use crate::ancillary::unit::Unit;
    use crate::essence::Essence as _;

    #[test]
    fn timecode_of_each_rate_then_counts_frames_of_a_second() {
        for (rate, fields, number, text) in [
            ("25", false, 25 * 3600 + 24, "01:00:00:24"),
            ("25", true, 50, "00:00:01:00"),
            ("60000/1001", false, 61, "00:00:01:00"),
            ("120", false, 119, "00:00:00:29"),
            ("24000/1001", false, 24 * 86_400, "00:00:00:00"),
        ] {
            let document: AncillaryDocument =
                serde_json::from_value(serde_json::json!({"frame_rate": rate, "fields": fields}))
                    .unwrap();
            let mut signal = AncillarySignal::new(&AncillaryStream::check(&document).unwrap());
            signal.units = number;
            signal.start();
            let mut unit = [0; 1000];
            signal.read(0, &mut unit);
            let unit = Unit::parse(&unit).unwrap();
            let [timecode, caption] = unit.iter().collect::<Vec<_>>().try_into().unwrap();
            let timecode = Timecode::of_data(timecode.data()).unwrap();
            assert_eq!(timecode.to_string(), text, "{rate}");
            assert_eq!(u64::from(timecode.user), number);
            assert!(caption.data().skip(1).all(|it| it.count_ones() % 2 == 1));
        }
    }
}
