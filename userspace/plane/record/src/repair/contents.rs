//! The complete part of a file.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// Result of reading a file.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Length of the complete part in bytes, and its sum.
    pub(super) kept: u64,
    pub(super) hash: Sha256,
    /// Events by interface name.
    pub(super) events: Vec<(String, u64)>,
    pub(super) first_at: Option<u64>,
    pub(super) last_at: Option<u64>,
    /// Bytes to append so that tools open it.
    pub(super) addition: Vec<u8>,
}

impl Contents {
    pub(super) fn total(&self) -> u64 {
        self.events.iter().map(|(_, count)| count).sum()
    }

    /// Adds complete bytes.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.kept += bytes.len() as u64;
    }
}

/// Reads `to.len()` bytes; false if there are fewer.
pub(super) fn fill(reader: &mut impl Read, to: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
