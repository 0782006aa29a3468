//! The format of a stream of ancillary data, as far as its packets show it.

use crate::ancillary::SeenAncillary;
use crate::survey::guess::{Guess, rate_of_units};
use crate::survey::stream::Survey;

impl Survey {
    /// Rate of the frames; `None` of another essence, and before some units have arrived.
    pub(super) fn data(&self) -> Option<SeenAncillary> {
        if Guess::of(self) != Guess::Ancillary || !self.has_units() {
            return None;
        }
        let interlaced = self.formats().ancillary_fields > 0;
        let rate = rate_of_units(self.steps())?.of_frames(interlaced);
        Some(SeenAncillary {
            ancillary_rate: rate.to_string(),
            fields: interlaced,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::rtp::RtpHeader;
    use crate::survey::CapturedPacket;

    #[test]
    fn data_of_fields_or_frames_then_its_rate_is_seen() {
        let address = SocketAddr::from(([127, 0, 0, 1], 5004));
        for (interlaced, rate) in [(false, "60000/1001"), (true, "30000/1001")] {
            let mut survey = Survey::default();
            for unit in 0..30u32 {
                let second = interlaced && unit % 2 == 1;
                let field = [0u8, 2, 3][usize::from(interlaced) + usize::from(second)];
                let timestamp = unit * 3003 / 2;
                // The data, and an empty packet that ends the unit.
                for marker in [false, true] {
                    let rtp = RtpHeader {
                        marker,
                        payload_type: 100,
                        sequence: u16::try_from(2 * unit + u32::from(marker)).unwrap(),
                        timestamp,
                        ssrc: 5,
                    };
                    let payload = [0, 0, 0, 0, 0, field << 6, 0, 0];
                    let bytes = [&rtp.to_bytes()[..], &payload].concat();
                    let parsed = CapturedPacket::of_datagram(address, address, &bytes).unwrap();
                    survey.packet(u64::from(unit) * 16_683_333, &parsed);
                }
            }
            let seen = survey.data().unwrap();
            assert_eq!(
                (seen.fields, seen.ancillary_rate.as_str()),
                (interlaced, rate)
            );
        }
    }
}
