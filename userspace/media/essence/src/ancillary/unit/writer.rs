//! Writes a unit.

use super::record::Record;
use super::{HEAD_BYTES, MOST_WORDS, Place, Signalled, UNIT_BYTES};
use crate::ancillary::words;

/// An ANC packet does not fit a unit any more, or has too much data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no room for an ANC packet of {words} words behind {used} bytes: a unit has {UNIT_BYTES} bytes, an ANC packet at \
     most {MOST_WORDS} words"
)]
pub struct UnitFull {
    /// Words of user data.
    pub words: usize,
    /// Bytes of the unit so far.
    pub used: usize,
}

/// Writes a unit into a buffer, which is a whole unit after each call.
#[derive(Debug)]
pub struct UnitWriter<'a> {
    buffer: &'a mut [u8],
    used: usize,
    packets: u32,
}

impl<'a> UnitWriter<'a> {
    /// A unit without ANC packets, which keeps the stream alive.
    ///
    /// # Errors
    /// [`UnitFull`]: the buffer is too small for that.
    pub fn new(buffer: &'a mut [u8]) -> Result<Self, UnitFull> {
        if buffer.len() < HEAD_BYTES {
            return Err(UnitFull { words: 0, used: 0 });
        }
        let mut writer = Self {
            buffer,
            used: HEAD_BYTES,
            packets: 0,
        };
        writer.write_head();
        Ok(writer)
    }

    /// Appends an ANC packet of 8-bit data, with its parity and checksum.
    ///
    /// # Errors
    /// [`UnitFull`].
    pub fn push(
        &mut self,
        place: Place,
        (did, sdid): (u8, u8),
        data: &[u8],
    ) -> Result<(), UnitFull> {
        let full = UnitFull {
            words: data.len(),
            used: self.used,
        };
        let count = u8::try_from(data.len()).map_err(|_| full)?;
        let [did, sdid, count] = [did, sdid, count].map(words::with_parity);
        let data = data.iter().copied().map(words::with_parity);
        let summed = [did, sdid, count].into_iter().chain(data.clone());
        let record = Record {
            place,
            field: Signalled::default(),
            did,
            sdid,
            count,
            checksum: words::checksum(summed),
            is_parity_wrong: false,
            is_checksum_wrong: false,
        };
        let end = self.buffer.len().min(UNIT_BYTES);
        let room = &mut self.buffer[self.used..end];
        self.used += record.write(data, room).ok_or(full)?;
        self.packets += 1;
        self.write_head();
        Ok(())
    }

    /// Bytes of the unit.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.used
    }

    fn write_head(&mut self) {
        let head = head(self.used, self.packets, 0);
        self.buffer[..HEAD_BYTES].copy_from_slice(&head);
    }
}

/// The head of a unit of so many bytes.
pub(crate) fn head(bytes: usize, packets: u32, wrong: u32) -> [u8; HEAD_BYTES] {
    let length = u32::try_from(bytes).expect("at most UNIT_BYTES");
    let mut head = [0; HEAD_BYTES];
    for (place, number) in head.chunks_exact_mut(4).zip([length, packets, wrong]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    head
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ancillary::unit::{Unit, UnitError};

    #[test]
    fn unit_of_some_packets_then_read_as_they_were() {
        let mut buffer = vec![0xaa; 400];
        let mut writer = UnitWriter::new(&mut buffer).unwrap();
        let place = Place {
            is_chroma: true,
            line: 9,
            offset: 1296,
            stream: Some(3),
        };
        writer.push(place, (0x61, 0x02), &[1, 2, 3]).unwrap();
        writer.push(Place::default(), (0x80, 7), &[]).unwrap();
        let bytes = writer.bytes();
        let unit = Unit::parse(&buffer).unwrap();
        assert_eq!((unit.packets(), unit.wrong(), bytes), (2, 0, 16 + 24 + 16));
        let [first, second] = unit.iter().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!((first.kind(), first.record.place), ((0x61, 0x02), place));
        assert_eq!(first.data().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(first.words().collect::<Vec<_>>(), [0x101, 0x102, 0x203]);
        assert_eq!((second.kind(), second.data().len()), ((0x80, 7), 0));
        assert_eq!(second.record.place, Place::default());
    }

    #[test]
    fn unit_full_then_refused_and_what_was_written_stays() {
        let mut buffer = [0; 60];
        assert!(UnitWriter::new(&mut buffer[..15]).is_err());
        let mut writer = UnitWriter::new(&mut buffer).unwrap();
        writer.push(Place::default(), (1, 2), &[7; 8]).unwrap();
        let full = writer.push(Place::default(), (1, 2), &[]);
        assert_eq!(full, Err(UnitFull { words: 0, used: 48 }));
        writer
            .push(Place::default(), (1, 2), &[0; 256])
            .unwrap_err();
        assert_eq!(Unit::parse(&buffer).unwrap().packets(), 1);
    }

    #[test]
    fn unit_of_wrong_lengths_then_refused() {
        let mut buffer = [0; 64];
        UnitWriter::new(&mut buffer)
            .unwrap()
            .push(Place::default(), (1, 2), &[7])
            .unwrap();
        let with = |at: usize, byte: u8| {
            let mut changed = buffer;
            changed[at] = byte;
            Unit::parse(&changed).map(|it| it.packets())
        };
        assert_eq!(with(0, 15), Err(UnitError::Length(15)));
        assert_eq!(with(0, 65), Err(UnitError::Length(65)));
        assert_eq!(with(3, 1), Err(UnitError::Length(0x100_0024)));
        assert_eq!(with(0, 35), Err(UnitError::Count(1)));
        assert_eq!(with(4, 2), Err(UnitError::Count(2)));
        assert_eq!(with(30, 3), Err(UnitError::Count(1)));
        assert_eq!(Unit::parse(&[]).unwrap_err(), UnitError::Length(0));
    }

    proptest! {
        #[test]
        fn unit_of_any_bytes_then_no_panic_and_no_packet_too_large(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            length in 0u32..220,
            packets in 0u32..8,
        ) {
            let mut bytes = bytes;
            let head = [length, packets, 0, 0].map(u32::to_le_bytes);
            bytes.splice(..0, head.as_flattened().iter().copied());
            if let Ok(unit) = Unit::parse(&bytes) {
                prop_assert_eq!(unit.iter().count(), packets as usize);
                prop_assert!(unit.iter().all(|it| it.data().len() <= MOST_WORDS));
            }
        }
    }
}
