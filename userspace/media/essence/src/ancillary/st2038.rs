//! ANC packets as SMPTE ST 2038 carries them in MPEG-2 transport streams, and GStreamer in `meta/x-st-2038`: words of 10
//! bits, each packet filled up to bytes with ones.

use super::unit::{AncPacket, Place};
use super::words::{WORD, checksum, has_parity, pack, word};

/// Words of a packet before its user data: six zero bits, channel, line and offset; DID, SDID and count.
const HEAD: usize = 6;
/// Byte that fills a stream up between packets.
const STUFFING: u8 = 0xff;

/// Why bytes are no ANC packets of ST 2038.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum St2038Error {
    /// The six zero bits are missing.
    #[error("at byte {0} no ANC packet of ST 2038 begins")]
    NoPacket(usize),
    /// The bytes end within a packet.
    #[error("the ANC packet at byte {0} of ST 2038 is cut off")]
    Cut(usize),
}

/// An ANC packet that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct St2038Packet {
    /// Where it is. The stream is not known.
    pub place: Place,
    /// DID, and SDID or DBN.
    pub kind: (u8, u8),
    /// The user data: the low 8 bits of each word.
    pub data: Vec<u8>,
    /// A parity or the checksum is wrong.
    pub is_wrong: bool,
}

/// The packets one behind the other, words and checksum as they are.
#[must_use]
pub fn write<'a>(packets: impl IntoIterator<Item = AncPacket<'a>>) -> Vec<u8> {
    let mut all = Vec::new();
    for packet in packets {
        let record = &packet.record;
        let Place {
            is_chroma,
            line,
            offset,
            ..
        } = record.place;
        let head = [
            u16::from(is_chroma) << 3 | line >> 8,
            (line & 0xff) << 2 | offset >> 10,
            offset & WORD,
            record.did,
            record.sdid,
            record.count,
        ];
        let bits = 10 * (HEAD + packet.words().len() + 1);
        let from = all.len();
        all.resize(from + bits.div_ceil(8), 0);
        let words = head.into_iter().chain(packet.words());
        pack(words.chain([record.checksum]), &mut all[from..]);
        if let Some(last) = all.last_mut() {
            *last |= !(STUFFING << ((8 - bits % 8) % 8));
        }
    }
    all
}

/// Reads packets one behind the other. Any bytes may come in.
///
/// # Errors
/// [`St2038Error`].
pub fn read(bytes: &[u8]) -> Result<Vec<St2038Packet>, St2038Error> {
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(&first) = bytes.get(at) {
        if first == STUFFING {
            at += 1;
            continue;
        }
        if first >> 2 != 0 {
            return Err(St2038Error::NoPacket(at));
        }
        let word = |index: usize| word(&bytes[at..], index).ok_or(St2038Error::Cut(at));
        let [a, b, c] = [word(0)?, word(1)?, word(2)?];
        let count = usize::from(word(HEAD - 1)? & 0xff);
        let summed = (3..HEAD + count).map(word);
        let summed = summed.collect::<Result<Vec<_>, _>>()?;
        let sum = word(HEAD + count)?;
        let low = |index: usize| summed[index].to_le_bytes()[0];
        all.push(St2038Packet {
            place: Place {
                is_chroma: a & 8 != 0,
                line: (a & 7) << 8 | b >> 2,
                offset: (b & 3) << 10 | c,
                stream: None,
            },
            kind: (low(0), low(1)),
            data: (3..summed.len()).map(low).collect(),
            is_wrong: sum != checksum(summed.iter().copied())
                || !summed[..3].iter().all(|it| has_parity(*it)),
        });
        at += (10 * (HEAD + count + 1)).div_ceil(8);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ancillary::unit::{Unit, UnitWriter};

    /// Of a unit with these packets.
    fn written(packets: &[(Place, (u8, u8), Vec<u8>)]) -> Vec<u8> {
        let mut unit = vec![0; 16_384];
        let mut writer = UnitWriter::new(&mut unit).unwrap();
        for (place, kind, data) in packets {
            writer.push(*place, *kind, data).unwrap();
        }
        write(&Unit::parse(&unit).unwrap())
    }

    #[test]
    fn packet_of_known_bits_then_as_st_2038_has_them() {
        let place = Place {
            is_chroma: true,
            line: 9,
            offset: 0x123,
            stream: Some(3),
        };
        // Six zeros, channel, line, offset; the words, their checksum, and ones up to a byte.
        let bytes = written(&[(place, (0x61, 0x02), vec![0xff, 1])]);
        let bits: String = bytes.iter().map(|it| format!("{it:08b}")).collect();
        let words = [0x161, 0x102, 0x102, 0x2ff, 0x101];
        let sum = checksum(words);
        let words = words.map(|it| format!("{it:010b}"));
        let head = "000000100000001001000100100011";
        let expected = format!("{head}{}{sum:010b}111111", words.concat());
        assert_eq!(bits, expected);
        let [packet] = read(&bytes).unwrap().try_into().unwrap();
        assert_eq!((packet.place.line, packet.place.offset), (9, 0x123));
        assert!(packet.place.is_chroma && packet.place.stream.is_none() && !packet.is_wrong);
    }

    #[test]
    fn bytes_cut_damaged_or_none_then_said_so() {
        let bytes = written(&[(Place::default(), (0x61, 2), vec![1, 2, 3])]);
        assert_eq!(read(&[]), Ok(Vec::new()));
        assert_eq!(read(&[0xff; 7]), Ok(Vec::new()));
        for end in 1..bytes.len() {
            assert_eq!(read(&bytes[..end]), Err(St2038Error::Cut(0)), "{end}");
        }
        let after = [&bytes[..], &[0x40]].concat();
        assert_eq!(read(&after), Err(St2038Error::NoPacket(bytes.len())));
        let mut wrong = bytes.clone();
        wrong[8] ^= 4;
        assert!(read(&wrong).unwrap()[0].is_wrong);
    }

    proptest! {
        #[test]
        fn packets_written_then_read_as_they_were(
            all in prop::collection::vec(
                (any::<u32>(), any::<(u8, u8)>(), prop::collection::vec(any::<u8>(), 0..=255)),
                0..5,
            ),
        ) {
            let all: Vec<_> = all
                .into_iter()
                .map(|(bits, kind, data)| (Place { stream: None, ..Place::of_bits(bits) }, kind, data))
                .collect();
            let read: Vec<_> = read(&written(&all)).unwrap();
            prop_assert!(read.iter().all(|it| !it.is_wrong));
            let read: Vec<_> = read.into_iter().map(|it| (it.place, it.kind, it.data)).collect();
            prop_assert_eq!(read, all);
        }

        #[test]
        fn any_bytes_then_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }
    }
}
