//! Finds the complete packets of a file: blocks as this recorder writes them, up to the first other
//! one.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::manifest::{Manifest, Time};
use crate::pcapng::{
    BYTE_ORDER, COMMENT, INTERFACE, PACKET, SECTION, STATISTICS, repair_statistics, section_block,
};

/// Longest block of this recorder: the largest packet and all its options.
const LONGEST: usize = 262_144 + 4096;

/// Reads a file. Calls `says` with the number of complete packets and bytes; it returns the
/// comment.
pub(super) fn read(
    mut reader: impl Read,
    manifest: &Manifest,
    now: Time,
    says: impl Fn(u64, u64) -> String,
) -> io::Result<Contents> {
    let mut contents = Contents::default();
    let mut block = Vec::new();
    while let Some(kind) = next(&mut reader, &mut block)? {
        let is_first = contents.kept == 0;
        if (kind == SECTION) != is_first || !take(&mut contents, kind, &block) {
            break;
        }
        contents.keep(&block);
    }
    let text = says(contents.total(), contents.kept);
    let mut addition = Vec::new();
    if contents.kept == 0 {
        section_block(
            &mut addition,
            &[(COMMENT, &text), (4, &manifest.application)],
        );
    }
    let at = contents.last_at.unwrap_or_else(|| now.unix_ns());
    for (number, (_, found)) in (0u32..).zip(&contents.events) {
        let comment = if number == 0 { text.as_str() } else { "" };
        repair_statistics(&mut addition, number, at, *found, comment);
    }
    contents.addition = addition;
    Ok(contents)
}

/// The next complete block and its type.
fn next(reader: &mut impl Read, block: &mut Vec<u8>) -> io::Result<Option<u32>> {
    block.resize(8, 0);
    if !fill(reader, block)? {
        return Ok(None);
    }
    let (kind, len) = (u32_at(block, 0), u32_at(block, 4));
    let Ok(size) = usize::try_from(len) else {
        return Ok(None);
    };
    if !(12..=LONGEST).contains(&size) || !size.is_multiple_of(4) {
        return Ok(None);
    }
    block.resize(size, 0);
    if !fill(reader, &mut block[8..])? || u32_at(block, size - 4) != len {
        return Ok(None);
    }
    Ok(Some(kind))
}

/// Evaluates a block; `false` if this recorder did not write it.
fn take(contents: &mut Contents, kind: u32, block: &[u8]) -> bool {
    let body = &block[8..block.len() - 4];
    let interface = |body: &[u8]| usize::try_from(u32_at(body, 0)).unwrap_or(usize::MAX);
    match kind {
        SECTION => body.len() >= 16 && u32_at(body, 0) == BYTE_ORDER,
        INTERFACE => {
            let name = (body.len() >= 8).then(|| name_of(&body[8..])).flatten();
            name.map(|name| contents.events.push((name, 0))).is_some()
        }
        STATISTICS => body.len() >= 12 && interface(body) < contents.events.len(),
        PACKET => {
            if body.len() < 20 {
                return false;
            }
            let captured = usize::try_from(u32_at(body, 12)).unwrap_or(usize::MAX);
            let Some((_, count)) = contents.events.get_mut(interface(body)) else {
                return false;
            };
            if captured > body.len() - 20 {
                return false;
            }
            *count += 1;
            let at = u64::from(u32_at(body, 4)) << 32 | u64::from(u32_at(body, 8));
            contents.first_at.get_or_insert(at);
            contents.last_at = Some(at);
            true
        }
        _ => false,
    }
}

/// `if_name`, the first option.
fn name_of(options: &[u8]) -> Option<String> {
    let len = usize::from(u16::from_le_bytes(*options.get(2..)?.first_chunk()?));
    if *options.first_chunk::<2>()? != 2u16.to_le_bytes() {
        return None;
    }
    let name = options.get(4..4 + len)?;
    Some(String::from_utf8_lossy(name).into_owned())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes[at..]
        .first_chunk()
        .expect("the caller checked the length");
    u32::from_le_bytes(*word)
}

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
