//! Facts that a survey does not know yet.

use super::super::stream::Survey;
use super::Guess;
use crate::document::words::words;

/// Markers after which a survey has seen each line of a frame, and some times of units.
const ENOUGH_MARKERS: u64 = 4;

words! {
    /// A fact of a stream that more of its packets may show.
    Fact {
        /// Its essence.
        Essence "essence",
        /// Size and samples of the pictures: whole units must come.
        Picture "picture",
        /// Frames a second.
        FrameRate "frame_rate",
    }
}

impl Survey {
    /// Facts that more packets may show. Empty: what is not seen now is in no packet.
    #[must_use]
    pub fn not_yet_known(&self) -> &'static [Fact] {
        match Guess::of(self) {
            Guess::Unknown => &[Fact::Essence],
            Guess::Video | Guess::JpegXs if !self.has_units() => &[Fact::Picture, Fact::FrameRate],
            Guess::Ancillary if !self.has_units() => &[Fact::FrameRate],
            _ => &[],
        }
    }

    /// Whether some units have come: whole ones of pictures, or times of what may have no markers.
    pub(in crate::survey) fn has_units(&self) -> bool {
        let times = match Guess::of(self) {
            Guess::Ancillary | Guess::JpegXs => self.steps().sum().1,
            _ => 0,
        };
        self.markers().max(times) >= ENOUGH_MARKERS
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::rtp::RtpHeader;
    use crate::survey::CapturedPacket;

    /// A survey of packets of 25 units a second, each with a marker and its timestamp.
    fn survey(payload: &[u8], has_markers: bool, units: u16) -> Survey {
        let mut survey = Survey::default();
        let address = SocketAddr::from(([127, 0, 0, 1], 5004));
        for unit in 0..units {
            let rtp = RtpHeader {
                marker: has_markers,
                payload_type: 96,
                sequence: unit,
                timestamp: u32::from(unit) * 3_600,
                ssrc: 5,
            };
            let bytes = [&rtp.to_bytes()[..], payload].concat();
            let parsed = CapturedPacket::of_datagram(address, address, &bytes).unwrap();
            survey.packet(u64::from(unit) * 40_000_000, &parsed);
        }
        survey
    }

    #[test]
    fn units_that_did_not_come_yet_then_the_facts_are_named() {
        // A row of 20 bytes, of line 0 from pixel 2 on.
        let video = [&[0, 0, 0, 20, 0, 0, 0, 2][..], &[7; 20]].concat();
        let data = [0; 8];
        for (payload, has_markers, facts) in [
            (&video[..], true, &[Fact::Picture, Fact::FrameRate][..]),
            (&data, true, &[Fact::FrameRate]),
            (&data, false, &[Fact::FrameRate]),
        ] {
            for units in 1..12 {
                let of = if has_markers { 4 } else { 5 };
                let expected = if units < of { facts } else { &[] };
                let survey = survey(payload, has_markers, units);
                assert_eq!(survey.not_yet_known(), expected, "{units}");
                let is_seen = survey.seen() != crate::SeenFormat::Nothing {};
                assert_eq!(is_seen, expected.is_empty(), "{units}");
            }
        }
        assert_eq!(Survey::default().not_yet_known(), [Fact::Essence]);
        assert_eq!(
            survey(&[0x55; 40], false, 1).not_yet_known(),
            [Fact::Essence]
        );
    }

    #[test]
    fn ancillary_data_with_a_fault_then_no_other_essence_is_guessed() {
        let good = [
            0, 0, 0, 12, 1, 0, 0, 0, 0, 0xa0, 0, 0, 0x58, 0x50, 0x24, 6, 0, 0, 0, 0,
        ];
        // A count of two packets, or of none, and a length of four bytes more.
        for (place, byte, guess) in [
            (4, 2, Guess::Ancillary),
            (4, 0, Guess::Ancillary),
            (3, 16, Guess::Unknown),
        ] {
            let mut payload = good;
            payload[place] = byte;
            let found = Guess::of(&survey(&payload, true, 25));
            assert_eq!(found, guess, "{place}");
        }
        assert_eq!(Guess::of(&survey(&good, true, 25)), Guess::Ancillary);
        let document = [&[0, 0, 0, 8][..], b"<tt></tt"].concat();
        let guess = Guess::of(&survey(&document, true, 25));
        assert_eq!(guess, Guess::TimedText);
    }
}
