//! Ancillary data of a capture, frame by frame.

use serde::{Deserialize, Serialize};

use super::{AncillaryMonitor, AncillaryTiming};
use crate::ancillary::rfc8331::Payload;
use crate::measure::Measure as _;
use crate::rtp::RtpHeader;

/// Contents of ancillary data in a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AncillaryContents {
    /// ANC packets by kind, and the wrong ones.
    #[serde(flatten)]
    pub packets: AncillaryTiming,
    /// RTP packets that are none of RFC 8331: their lengths contradict each other, or the field is invalid.
    pub malformed: u64,
    /// Frames or fields: packets with one timestamp.
    pub units: u64,
    /// Of these, units without an ANC packet.
    pub units_without_packets: u64,
}

/// Counts the ANC packets of a stream, and its frames or fields.
#[derive(Clone, Debug, Default)]
pub struct AncillaryCounter {
    packets: AncillaryMonitor,
    malformed: u64,
    /// Timestamp of the last unit, and its ANC packets.
    last: Option<(u32, u64)>,
    units: u64,
    without: u64,
}

impl AncillaryCounter {
    /// Adds an RTP packet.
    pub fn packet(&mut self, rtp: &RtpHeader, payload: &[u8]) {
        // The time is of no interest.
        self.packets.packet(1, None, rtp, payload);
        let found = match Payload::parse(payload) {
            Ok(payload) => u64::from(payload.packets),
            Err(_) => {
                self.malformed += 1;
                0
            }
        };
        match &mut self.last {
            Some((timestamp, packets)) if *timestamp == rtp.timestamp => *packets += found,
            last => {
                self.units += 1;
                self.without += u64::from(last.is_some_and(|(_, packets)| packets == 0));
                *last = Some((rtp.timestamp, found));
            }
        }
    }

    /// The counts; `None` before a packet came.
    #[must_use]
    pub fn contents(&self) -> Option<AncillaryContents> {
        let last_is_empty = self.last.is_some_and(|(_, packets)| packets == 0);
        Some(AncillaryContents {
            packets: self.packets.document(1)?,
            malformed: self.malformed,
            units: self.units,
            units_without_packets: self.without + u64::from(last_is_empty),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payload with ANC packets of one word each, the last one with a wrong checksum.
    fn payload(packets: u8) -> Vec<u8> {
        // Line 10, DID 61, SDID 02, one word; parity is right.
        let anc = [0, 0xa0, 0, 0, 0x58, 0x50, 0x24, 6, 0, 0, 0, 0];
        let length = u8::try_from(anc.len()).unwrap() * packets;
        let header = [0, 0, 0, length, packets, 0, 0, 0];
        [&header[..], &anc.repeat(packets.into())].concat()
    }

    #[test]
    fn frames_with_and_without_packets_then_counted_apart() {
        let mut counter = AncillaryCounter::default();
        assert_eq!(counter.contents(), None);
        // A sender may end a frame with an empty packet.
        for (timestamp, packets) in [(0, 2), (0, 0), (1, 0), (2, 1), (3, 0), (3, 0)] {
            let rtp = RtpHeader {
                marker: packets == 0,
                payload_type: 100,
                sequence: 0,
                timestamp,
                ssrc: 1,
            };
            counter.packet(&rtp, &payload(packets));
            if timestamp == 2 {
                counter.packet(&rtp, &payload(1)[..9]);
            }
        }
        let contents = counter.contents().unwrap();
        assert_eq!((contents.units, contents.units_without_packets), (4, 2));
        assert_eq!((contents.packets.anc_packets, contents.malformed), (3, 1));
        assert_eq!(contents.packets.wrong_checksum, 3, "{contents:?}");
    }
}
