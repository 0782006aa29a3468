//! Where the slices of a unit begin.

use crate::jpeg_xs::codestream::SLICE;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 14;
/// Bytes of a slice header: marker, length, number.
const HEADER_BYTES: usize = 6;
/// Most slices: SEP has 11 bits, and one value of them is the header's.
const MOST: usize = 2_047;

/// Finds slices. Its memory is used again.
#[derive(Debug)]
pub(super) struct Slices {
    starts: Vec<usize>,
    chunk: Box<[u8]>,
}

impl Slices {
    pub(super) fn new() -> Self {
        Self {
            starts: Vec::with_capacity(MOST),
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
        }
    }

    /// Reads a unit of so many bytes. Coded data may look like a marker: only the header with the next number counts.
    pub(super) fn read(&mut self, bytes: usize, mut read: impl FnMut(usize, &mut [u8])) {
        self.starts.clear();
        let mut wanted = header(0);
        let mut at = 0;
        while at + HEADER_BYTES <= bytes && self.starts.len() < MOST {
            let len = CHUNK_BYTES.min(bytes - at);
            let chunk = &mut self.chunk[..len];
            read(at, chunk);
            for (place, window) in chunk.windows(HEADER_BYTES).enumerate() {
                if *window == wanted && self.starts.len() < MOST {
                    self.starts.push(at + place);
                    wanted = header(self.starts.len());
                }
            }
            at += len - (HEADER_BYTES - 1);
            if at + HEADER_BYTES > bytes {
                break;
            }
        }
    }

    /// Where each slice begins.
    pub(super) fn starts(&self) -> &[usize] {
        &self.starts
    }
}

/// The header of a slice.
fn header(number: usize) -> [u8; HEADER_BYTES] {
    let [a, b] = SLICE.to_be_bytes();
    let number = u16::try_from(number).expect("at most MOST");
    let [c, d] = number.to_be_bytes();
    [a, b, 0, 4, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_at_the_edges_of_chunks_then_each_is_found_once() {
        let mut slices = Slices::new();
        let mut unit = vec![0; 3 * CHUNK_BYTES];
        let places = [
            0,
            100,
            CHUNK_BYTES - 3,
            2 * CHUNK_BYTES - 11,
            3 * CHUNK_BYTES - 6,
        ];
        for (number, place) in places.into_iter().enumerate() {
            unit[place..place + 6].copy_from_slice(&header(number));
        }
        // A number that is not the next one.
        unit[500..506].copy_from_slice(&header(9));
        slices.read(unit.len(), |at, out| {
            out.copy_from_slice(&unit[at..at + out.len()])
        });
        assert_eq!(slices.starts(), places);
        slices.read(5, |_, _| panic!("nothing fits"));
        assert!(slices.starts().is_empty());
    }
}
