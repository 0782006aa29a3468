//! A buffer of bytes for a file, aligned in memory as direct writes want it.

/// Bytes of a block in the file, and its alignment there.
pub(crate) const BLOCK: usize = 1 << 20;
/// Alignment of memory, offset and length with which every disk takes direct writes, bytes: no
/// sector is larger.
pub(super) const ALIGNMENT: usize = 4096;

/// A buffer whose first byte is aligned, unless it has grown beyond its capacity.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    /// Bytes of `bytes` before the first aligned one.
    begin: usize,
}

impl Block {
    /// An empty one, with room for bytes added after its end before it is written.
    pub(crate) fn new() -> Self {
        Self::of(Vec::with_capacity(BLOCK + BLOCK / 2 + ALIGNMENT))
    }

    fn of(mut bytes: Vec<u8>) -> Self {
        let begin = bytes.as_ptr().align_offset(ALIGNMENT);
        bytes.clear();
        bytes.resize(begin, 0);
        Self { bytes, begin }
    }

    /// Frees the memory.
    pub(super) fn free(&mut self) {
        (self.bytes, self.begin) = (Vec::new(), 0);
    }

    /// The same memory, empty.
    pub(super) fn emptied(self) -> Self {
        Self::of(self.bytes)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.begin..]
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.begin
    }

    /// Where bytes are added. Those that are there belong to it.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn truncate(&mut self, size: usize) {
        self.bytes.truncate(self.begin + size);
    }
}

/// Whether a direct write of `bytes` at `offset` may succeed.
pub(super) fn is_aligned(bytes: &[u8], offset: u64) -> bool {
    let place = bytes.as_ptr().addr() | bytes.len();
    place.is_multiple_of(ALIGNMENT) && offset.is_multiple_of(ALIGNMENT as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_new_or_used_again_then_its_first_byte_is_aligned() {
        let mut block = Block::new();
        for size in [BLOCK, BLOCK + BLOCK / 2, 5 * BLOCK, 100] {
            assert_eq!((block.len(), block.bytes()), (0, &[][..]));
            assert!(is_aligned(block.bytes(), 0));
            let end = block.begin + size;
            block.out().resize(end, 7);
            assert_eq!(block.len(), size);
            block.truncate(size - 1);
            assert_eq!(block.bytes(), vec![7; size - 1]);
            block = block.emptied();
        }
        block.free();
        assert_eq!((block.len(), block.out().capacity()), (0, 0));
    }

    #[test]
    fn bytes_at_an_odd_place_length_or_offset_then_not_aligned() {
        let mut block = Block::new();
        let end = block.begin + 2 * ALIGNMENT;
        block.out().resize(end, 0);
        let bytes = block.bytes();
        assert!(is_aligned(&bytes[ALIGNMENT..], ALIGNMENT as u64));
        assert!(!is_aligned(bytes, 512));
        assert!(!is_aligned(&bytes[..512], 0));
        assert!(!is_aligned(&bytes[512..ALIGNMENT + 512], 0));
    }
}
