//! The write-ahead log of the archive: certificates whose own files are not synced yet.
//!
//! A new file is safe after two syncs, its own and its folder's, and each commits the file system's
//! journal. The log has its final size from the start, so that a write in place and one sync of
//! data are enough, for any number of certificates.
//!
//! It is text. Each record begins at a multiple of [`BLOCK`] with the line `certificate SEQUENCE
//! BYTES`, followed by the certificate's file; line feeds fill its last block. The records of a log
//! have consecutive numbers from offset 0 on; what follows them is of earlier rounds, or was not
//! written whole.

use std::io;
use std::ops::Range;
use std::path::Path;

use onair_api::Certificate;
use onair_certificate::{Check, CheckOutcome, verify};
use onair_disk::{Disk, OpenFile, Unfit, replace};
use onair_mutant::mutant;
use serde::Deserialize as _;
use serde_json::Value;

/// Largest size of the log, in bytes.
pub(super) const MOST_BYTES: usize = 2 << 20;
/// A record shares no block of the disk with the one before it, which may have been acknowledged.
const BLOCK: usize = 4096;
/// First word of a record.
const WORD: &str = "certificate";
const FILL: u8 = b'\n';

/// A log that takes records.
#[derive(Debug)]
pub(super) struct Wal {
    file: Box<dyn OpenFile>,
    /// Size of the log, in bytes.
    bytes: usize,
    /// Number of the next record.
    sequence: u64,
    /// Offset of the next record.
    offset: usize,
}

impl Wal {
    /// Creates an empty log of this size, in place of an earlier one, whose records are lost.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn create(disk: &dyn Disk, path: &Path, bytes: usize) -> io::Result<Self> {
        replace(disk, path, &vec![FILL; bytes])?;
        Ok(Self {
            file: disk.open(path)?,
            bytes,
            sequence: 1,
            offset: 0,
        })
    }

    /// Goes on with a log behind its records, which are safe from then on.
    ///
    /// # Errors
    /// The system's, or the file has another size.
    pub(super) fn resume(disk: &dyn Disk, path: &Path, bytes: usize) -> io::Result<Self> {
        let mut log = disk.read(path, MOST_BYTES as u64)?;
        if log.len() != bytes {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let records = certificates(&log);
        // The next record continues the numbers of those before it: none of an earlier round, and none that is not
        // whole, may follow it.
        log[records.end..].fill(FILL);
        let file = disk.open(path)?;
        // What an earlier sync failed to write counts as written in the kernel.
        file.write_all_at(&log, 0)?;
        file.sync_data()?;
        // A create that failed may have left a new file whose name is not safe yet.
        if let Some(folder) = path.parent() {
            disk.sync_folder(folder)?;
        }
        Ok(Self {
            file,
            bytes,
            sequence: records.next.unwrap_or(1),
            offset: records.end,
        })
    }

    /// Writes the files of certificates behind the records that it has, and lets the kernel begin
    /// to write them to the disk. They are safe after [`Self::sync`]. Returns whether there is room
    /// for them.
    ///
    /// # Errors
    /// The system's. The log must not be used any more.
    pub(super) fn append(&mut self, texts: &[impl AsRef<[u8]>]) -> io::Result<bool> {
        let mut records = Vec::new();
        for (sequence, text) in (self.sequence..).zip(texts) {
            add_record(&mut records, sequence, text.as_ref());
        }
        if self.offset + records.len() > self.bytes {
            return Ok(false);
        }
        self.file.write_all_at(&records, self.offset as u64)?;
        self.file.begin_write();
        self.offset += records.len();
        self.sequence += texts.len() as u64;
        Ok(true)
    }

    /// Returns when the disk has all records.
    ///
    /// # Errors
    /// The system's. The log must not be used any more.
    pub(super) fn sync(&self) -> io::Result<()> {
        mutant!("wal: not synced", Ok(()), self.file.sync_data())
    }

    /// Begins anew at offset 0: every certificate has a synced file of its own.
    ///
    /// # Errors
    /// The system's. The log must not be used any more.
    pub(super) fn restart(&mut self) -> io::Result<()> {
        // Not synced: to read the records once more does no harm.
        self.file.write_all_at(&[FILL; BLOCK], 0)?;
        self.offset = 0;
        Ok(())
    }
}

/// The certificates in the log of an earlier daemon, in the order of its records, and whether the one
/// behind them is not whole; none without a log.
///
/// # Errors
/// The system's, or it is not a file that a daemon wrote.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> Result<(Vec<Certificate>, bool), Unfit> {
    match disk.read(path, MOST_BYTES as u64) {
        Err(Unfit::System(error)) if error.kind() == io::ErrorKind::NotFound => {
            Ok((Vec::new(), false))
        }
        log => {
            let records = certificates(&log?);
            Ok((records.found, records.is_torn))
        }
    }
}

/// Contents of a log.
#[derive(Debug, Default)]
struct Records {
    found: Vec<Certificate>,
    /// The record behind them is not whole.
    is_torn: bool,
    /// Offset of the next record.
    end: usize,
    /// Number of the next record; `None` without records.
    next: Option<u64>,
}

fn add_record(records: &mut Vec<u8>, sequence: u64, text: &[u8]) {
    records.extend_from_slice(format!("{WORD} {sequence} {}\n", text.len()).as_bytes());
    records.extend_from_slice(text);
    // Each begins at a block.
    records.resize(records.len().next_multiple_of(BLOCK), FILL);
}

fn certificates(log: &[u8]) -> Records {
    let mut records = Records::default();
    let mut rest = log;
    while let Some((sequence, text)) = first(rest) {
        let is_next = records.next.is_none_or(|next| sequence == next);
        if !mutant!("wal: records of an earlier round count", true, is_next) {
            break;
        }
        let Some((certificate, end)) =
            text.and_then(|text| Some((whole(&rest[text.clone()])?, text.end)))
        else {
            records.is_torn = true;
            return records;
        };
        records.found.push(certificate);
        records.next = sequence.checked_add(1);
        let end = end.next_multiple_of(BLOCK).min(rest.len());
        records.end += end;
        rest = &rest[end..];
    }
    records
}

/// The head of the record at the start of `log`: its number, and where its certificate is, if the log
/// is long enough.
fn first(log: &[u8]) -> Option<(u64, Option<Range<usize>>)> {
    let end = log.iter().take(BLOCK).position(|byte| *byte == b'\n')?;
    let head = str::from_utf8(&log[..end]).ok()?;
    let mut words = head.strip_prefix(WORD)?.strip_prefix(' ')?.split(' ');
    let (sequence, bytes) = (
        words.next()?.parse().ok()?,
        words.next()?.parse::<usize>().ok()?,
    );
    let text = end + 1..(end + 1).checked_add(bytes)?;
    Some((sequence, (text.end <= log.len()).then_some(text)))
}

/// The certificate in `text`, if its digest holds: a power failure may leave some blocks of a file
/// that was not synced.
pub(super) fn whole(text: &[u8]) -> Option<Certificate> {
    let document: Value = serde_json::from_slice(text).ok()?;
    let checks = verify(&document).ok()?.checks;
    let holds = |check: &Check| check.name == "digest" && check.outcome == CheckOutcome::Holds;
    let is_whole = mutant!(
        "wal: the digest is not checked",
        true,
        checks.iter().any(holds)
    );
    is_whole.then(|| Certificate::deserialize(document).ok())?
}

#[cfg(test)]
mod tests {
    use onair_disk::RealDisk;
    use proptest::prelude::*;

    use super::*;
    use crate::certificates::tests::certificate;

    /// The file of the certificate of session `number`, `blocks` blocks long.
    fn text(number: u64, blocks: usize) -> Vec<u8> {
        let certificate = certificate(number, std::time::Duration::ZERO);
        let mut text = serde_json::to_vec(&certificate).unwrap();
        assert!(text.len() < BLOCK - 100);
        // White space between its fields: what is behind it must be there, too.
        text.pop();
        text.resize(blocks * BLOCK - 100, b' ');
        text.push(b'}');
        text
    }

    fn numbers(log: &[u8]) -> (Vec<u64>, bool) {
        let records = certificates(log);
        let numbers = records.found.iter().map(|it| it.session.0);
        (numbers.collect(), records.is_torn)
    }

    fn log_with(path: &Path, numbers: &[u64]) -> Wal {
        let mut wal = Wal::create(&RealDisk, path, MOST_BYTES).unwrap();
        for number in numbers {
            assert!(wal.append(&[text(*number, 2)]).unwrap());
        }
        wal.sync().unwrap();
        wal
    }

    #[test]
    fn log_full_then_there_is_no_room_and_what_it_has_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut wal = Wal::create(&RealDisk, &path, MOST_BYTES).unwrap();
        let texts: Vec<_> = (1..=60).map(|number| text(number, 4)).collect();
        assert!(wal.append(&texts).unwrap() && wal.append(&texts).unwrap());
        assert!(!wal.append(&texts).unwrap());
        assert_eq!(read(&RealDisk, &path).unwrap().0.len(), 120);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), MOST_BYTES as u64);
    }

    #[test]
    fn log_begun_anew_then_no_record_of_an_earlier_round() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut wal = log_with(&path, &[1, 2, 3]);
        wal.restart().unwrap();
        assert!(read(&RealDisk, &path).unwrap().0.is_empty());
        assert!(wal.append(&[text(4, 2)]).unwrap());
        assert_eq!(numbers(&std::fs::read(&path).unwrap()), (vec![4], false));
    }

    #[test]
    fn record_of_which_a_block_is_missing_then_those_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(log_with(&path, &[1, 2, 3]));
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(numbers(&whole), (vec![1, 2, 3], false));
        for block in 0..6 {
            let mut torn = whole.clone();
            torn[block * BLOCK..][..BLOCK].fill(FILL);
            let expected: Vec<u64> = (1..=block as u64 / 2).collect();
            // Without its head it is not known for a record.
            let expected = (expected, block % 2 == 1);
            assert_eq!(numbers(&torn), expected, "without block {block}");
        }
        // A digit of the certificate, which stays a certificate.
        let mut torn = whole;
        let at = torn.windows(14).position(|it| it == b"\"generation\":1");
        torn[at.unwrap() + 13] = b'7';
        assert_eq!(numbers(&torn), (vec![], true));
    }

    #[test]
    fn log_resumed_then_goes_on_behind_its_own_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut wal = log_with(&path, &[1, 2, 3]);
        wal.restart().unwrap();
        assert!(wal.append(&[text(4, 2)]).unwrap());
        let mut resumed = Wal::resume(&RealDisk, &path, MOST_BYTES).unwrap();
        assert!(resumed.append(&[text(5, 1)]).unwrap());
        assert_eq!(numbers(&std::fs::read(&path).unwrap()), (vec![4, 5], false));
        assert!(Wal::resume(&RealDisk, &path, MOST_BYTES / 2).is_err());
    }

    #[test]
    fn log_resumed_behind_a_torn_record_then_what_follows_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        drop(log_with(&path, &[1, 2, 3]));
        let mut torn = std::fs::read(&path).unwrap();
        torn[5 * BLOCK..][..BLOCK].fill(FILL);
        std::fs::write(&path, torn).unwrap();
        let mut resumed = Wal::resume(&RealDisk, &path, MOST_BYTES).unwrap();
        assert!(resumed.append(&[text(4, 2)]).unwrap());
        let expected = (vec![1, 2, 4], false);
        assert_eq!(numbers(&std::fs::read(&path).unwrap()), expected);
    }

    proptest! {
        #[test]
        fn log_any_bytes_then_no_certificate_and_no_panic(
            head in "(certificate )?[0-9]{0,21}( [0-9]{0,21})?\n?", rest: Vec<u8>,
        ) {
            let mut log = head.into_bytes();
            log.extend(rest);
            prop_assert_eq!(numbers(&log).0, Vec::<u64>::new());
        }
    }
}
