//! Writes payloads of RTP packets.

use crate::ancillary::unit::{AncPacket, Signalled};
use crate::ancillary::words;

use super::{HEADER_BYTES, wire_bytes};

/// Place of the count in a payload.
const COUNT: usize = 4;
/// Place of the length in a payload.
const LENGTH: usize = 2;

/// Replaces `out` by one payload with the packets of a frame or field, of at most `most` bytes: as many as fit, in order.
/// Returns how many did not. The extended sequence number is 0. Parity and checksums are computed anew.
pub fn write<'a>(
    packets: impl IntoIterator<Item = AncPacket<'a>>,
    field: Signalled,
    most: usize,
    out: &mut Vec<u8>,
) -> usize {
    out.clear();
    begin(field, out);
    let mut packets = packets.into_iter();
    let mut left = 0;
    for packet in packets.by_ref() {
        if !push(&packet, 0, most, out) {
            left = 1;
            break;
        }
    }
    left + packets.count()
}

/// A payload without ANC packets, behind those that are there.
pub(crate) fn begin(field: Signalled, payloads: &mut Vec<u8>) {
    payloads.extend([0, 0, 0, 0, 0, field.bits() << 6, 0, 0]);
}

/// Appends an ANC packet to the last payload, which begins at `start`. `false`: the payload has no room for it within
/// `most` bytes, and is as before.
pub(crate) fn push(
    packet: &AncPacket<'_>,
    start: usize,
    most: usize,
    payloads: &mut Vec<u8>,
) -> bool {
    let needed = wire_bytes(packet.words().len());
    let all = payloads.len() - start + needed;
    let Ok(length) = u16::try_from(all - HEADER_BYTES) else {
        return false;
    };
    if all > most || payloads[start + COUNT] == u8::MAX {
        return false;
    }
    append(packet, needed, payloads);
    payloads[start + COUNT] += 1;
    payloads[start + LENGTH..start + COUNT].copy_from_slice(&length.to_be_bytes());
    true
}

/// An ANC packet, with parity and checksum of its own.
fn append(packet: &AncPacket<'_>, bytes: usize, payloads: &mut Vec<u8>) {
    payloads.extend(packet.record.place.bits().to_be_bytes());
    let (did, sdid) = packet.kind();
    let count = u8::try_from(packet.data().len()).expect("at most MOST_WORDS");
    let words = [did, sdid, count].into_iter().chain(packet.data());
    let words = words.map(words::with_parity);
    let sum = words::checksum(words.clone());
    let start = payloads.len();
    payloads.resize(start - 4 + bytes, 0);
    words::pack(words.chain([sum]), &mut payloads[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ancillary::rfc8331::Payload;
    use crate::ancillary::unit::{Place, Unit, UnitWriter};

    #[test]
    fn payload_of_three_packets_with_room_for_two_then_one_left() {
        let mut unit = vec![0; 400];
        let mut writer = UnitWriter::new(&mut unit).unwrap();
        for data in [&[1, 2, 3][..], &[4; 6], &[5]] {
            writer.push(Place::default(), (0x61, 2), data).unwrap();
        }
        let unit = Unit::parse(&unit).unwrap();
        let most = HEADER_BYTES + wire_bytes(3) + wire_bytes(6);
        let mut out = vec![7];
        assert_eq!(write(&unit, Signalled::Second, most, &mut out), 1);
        let payload = Payload::parse(&out).unwrap();
        assert_eq!((payload.packets, payload.field), (2, Signalled::Second));
        let records = payload.iter().map(|it| it.record());
        assert!(records.eq(unit.iter().take(2).map(|it| {
            let field = Signalled::Second;
            crate::ancillary::unit::Record { field, ..it.record }
        })));
    }
}
