//! What is in a frame of the built-in pattern.

use xxhash_rust::xxh3::xxh3_64;

/// Its number: bytes 8 to 16, little endian.
pub(crate) fn number(frame: &[u8]) -> Option<u64> {
    let bytes = frame.strip_prefix(b"ONAIRPAT")?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

/// Whether the last eight bytes are the hash of all before them.
pub(crate) fn is_right(frame: &[u8]) -> bool {
    frame
        .split_last_chunk()
        .is_some_and(|(picture, hash)| xxh3_64(picture) == u64::from_le_bytes(*hash))
}
