//! Samples of any number of bits, most significant bit first.

/// Reads samples.
pub(crate) struct Reader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    word: u32,
    held: u32,
    bits: u32,
}

impl<'a> Reader<'a> {
    /// Samples of `bits` bits, at most 16.
    pub(crate) fn new(bytes: &'a [u8], bits: u32) -> Self {
        let bytes = bytes.iter();
        Self {
            bytes,
            word: 0,
            held: 0,
            bits,
        }
    }

    /// The next sample; past the end, zeros.
    #[inline]
    pub(crate) fn next(&mut self) -> u16 {
        while self.held < self.bits {
            self.word = self.word << 8 | u32::from(self.bytes.next().copied().unwrap_or(0));
            self.held += 8;
        }
        self.held -= self.bits;
        let sample = self.word >> self.held & ((1 << self.bits) - 1);
        u16::try_from(sample).expect("at most 16 bits")
    }
}

/// Writes samples.
pub(crate) struct Writer<'a> {
    bytes: std::slice::IterMut<'a, u8>,
    word: u32,
    held: u32,
    bits: u32,
}

impl<'a> Writer<'a> {
    /// Samples of `bits` bits, at most 16.
    pub(crate) fn new(bytes: &'a mut [u8], bits: u32) -> Self {
        let bytes = bytes.iter_mut();
        Self {
            bytes,
            word: 0,
            held: 0,
            bits,
        }
    }

    /// Writes the lowest bits of `sample`. What does not fit is dropped.
    #[inline]
    pub(crate) fn put(&mut self, sample: u16) {
        self.word = self.word << self.bits | (u32::from(sample) & ((1 << self.bits) - 1));
        self.held += self.bits;
        while self.held >= 8 {
            self.held -= 8;
            if let Some(byte) = self.bytes.next() {
                *byte = (self.word >> self.held & 0xff) as u8;
            }
        }
    }

    /// Fills the rest with zeros.
    pub(crate) fn finish(mut self) {
        while self.held > 0 || self.bytes.len() > 0 {
            self.put(0);
            if self.bytes.len() == 0 {
                return;
            }
        }
    }
}
