//! Numbers and checksums of NUT.

/// Appends an unsigned number: seven bits a byte, the highest first.
pub(super) fn put(out: &mut Vec<u8>, value: u64) {
    let groups = (64 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let bits = (value >> (group * 7) & 0x7f) as u8;
        out.push(if group > 0 { bits | 0x80 } else { bits });
    }
}

/// Appends bytes with their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads numbers of a packet. After its end, or a number beyond 64 bits, all are `None`.
pub(super) struct Numbers<'a>(pub(super) &'a [u8]);

impl<'a> Numbers<'a> {
    pub(super) fn next(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value = push(value, *byte)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.next()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// A number whose next byte is `byte`; `None` beyond 64 bits.
pub(super) fn push(value: u64, byte: u8) -> Option<u64> {
    (value >> 57 == 0).then_some(value << 7 | u64::from(byte & 0x7f))
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at: u32 = 0;
    while at < 256 {
        let mut crc = at << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[at as usize] = crc;
        at += 1;
    }
    table
}

/// CRC-32 with the generator 0x104C11DB7, from 0, the highest bit first.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| crc << 8 ^ TABLE[(crc >> 24) as usize ^ usize::from(*byte)];
    bytes.iter().fold(0, step)
}
