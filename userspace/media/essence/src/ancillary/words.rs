//! The 10-bit words of an ANC packet (ST 291-1 §6): 8 bits of data, their even parity, and its inverse.

/// The bits of a word.
pub const WORD: u16 = 0x3ff;
/// The bits that a checksum adds up.
const SUMMED: u16 = 0x1ff;

/// The word of 8 bits of data: bit 8 is their even parity, bit 9 its inverse.
#[must_use]
pub const fn with_parity(data: u8) -> u16 {
    let odd = data.count_ones() % 2 == 1;
    data as u16 | if odd { 0x100 } else { 0x200 }
}

/// Whether bits 8 and 9 are the parity of bits 7 to 0.
#[must_use]
pub const fn has_parity(word: u16) -> bool {
    let [_, data] = word.to_be_bytes();
    word & WORD == with_parity(data)
}

/// The checksum of the words from DID to the last one of the user data: the sum of their low 9 bits, and bit 9 is the
/// inverse of bit 8.
#[must_use]
pub fn checksum(words: impl IntoIterator<Item = u16>) -> u16 {
    let sum = words
        .into_iter()
        .fold(0, |sum: u16, word| sum.wrapping_add(word & SUMMED));
    let sum = sum & SUMMED;
    sum | if sum & 0x100 == 0 { 0x200 } else { 0 }
}

/// Bytes that `words` words take in a payload, filled up to 32 bits (RFC 8331 §2.1).
#[must_use]
pub const fn packed_bytes(words: usize) -> usize {
    (words * 10).div_ceil(32) * 4
}

/// Word `index` of packed ones; `None` beyond their end.
#[must_use]
pub fn word(packed: &[u8], index: usize) -> Option<u16> {
    let bit = index * 10;
    let two = packed.get(bit / 8..)?.first_chunk()?;
    Some(u16::from_be_bytes(*two) >> (6 - bit % 8) & WORD)
}

/// Packs words one behind the other into bytes that are zero.
///
/// # Panics
/// If `out` is shorter than [`packed_bytes`].
pub fn pack(words: impl IntoIterator<Item = u16>, out: &mut [u8]) {
    for (index, word) in words.into_iter().enumerate() {
        let bit = index * 10;
        let [high, low] = ((word & WORD) << (6 - bit % 8)).to_be_bytes();
        out[bit / 8] |= high;
        out[bit / 8 + 1] |= low;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parity_of_known_words_then_as_st_291_has_it() {
        for (data, word) in [(0x00, 0x200), (0x61, 0x161), (0x60, 0x260), (0x02, 0x102)] {
            assert_eq!(with_parity(data), word);
            assert!(has_parity(word));
            assert!(
                !has_parity(word ^ 0x100) && !has_parity(word ^ 0x200) && !has_parity(word ^ 1)
            );
        }
    }

    #[test]
    fn checksum_beyond_9_bits_then_wraps_and_bit_9_is_inverse() {
        assert_eq!(checksum([]), 0x200);
        assert_eq!(checksum([0x1ff, 0x2ff]), 0x0fe | 0x200);
        assert_eq!(checksum([0x1ff]), 0x1ff);
    }

    proptest! {
        #[test]
        fn words_packed_then_read_as_they_were(
            words in prop::collection::vec(0u16..=WORD, 0..260),
        ) {
            let mut packed = vec![0; packed_bytes(words.len())];
            pack(words.iter().copied(), &mut packed);
            let read = (0..words.len()).map(|index| word(&packed, index).unwrap());
            prop_assert_eq!(read.collect::<Vec<_>>(), words);
            prop_assert_eq!(packed.len() % 4, 0);
            prop_assert_eq!(word(&packed, packed.len()), None);
        }
    }
}
