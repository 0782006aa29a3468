//! The last events of a complete file, without reading all of it.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use onair_disk::open_regular;
use rustix::fs::OFlags;

use crate::pcapng::PACKET;

/// Bytes from the end of a file that are read.
const TAIL: u64 = 4 << 20;

/// Passes the last events of `file`, the newest first, with their times (nanoseconds since 1970, UTC): those in its
/// last 4 MiB. Blocks are found from the end, where each has its length again; what is no block ends the search.
///
/// # Errors
/// The file is not a regular one, or cannot be read.
pub fn last_events(file: &Path, mut each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let mut open = open_regular(file, OFlags::RDONLY).map_err(io::Error::other)?;
    let len = open.metadata()?.len();
    open.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    open.take(TAIL).read_to_end(&mut tail)?;
    let mut rest = tail.as_slice();
    while let Some(size) = before_end(rest) {
        let (front, block) = rest.split_at(rest.len() - size);
        if word(block, 4) != word(rest, rest.len() - 4) {
            break;
        }
        rest = front;
        if word(block, 0) == Some(PACKET)
            && let Some((at, bytes)) = event(block)
        {
            each(at, bytes);
        }
    }
    Ok(())
}

/// Length of the block at the end of `bytes`.
fn before_end(bytes: &[u8]) -> Option<usize> {
    let len = usize::try_from(word(bytes, bytes.len().checked_sub(4)?)?).ok()?;
    (len >= 12 && len.is_multiple_of(4) && len <= bytes.len()).then_some(len)
}

fn event(block: &[u8]) -> Option<(u64, &[u8])> {
    let at = u64::from(word(block, 12)?) << 32 | u64::from(word(block, 16)?);
    let len = usize::try_from(word(block, 20)?).ok()?;
    Some((at, block.get(28..28usize.checked_add(len)?)?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}
