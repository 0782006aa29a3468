//! The summary as JSON, in a file or a FIFO.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, write};
use serde::Serialize;

/// How long to wait for a FIFO's reader.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Writes the summary and a newline to `path`. A FIFO must already have a reader that reads: the
/// shutdown does not wait for one.
///
/// # Errors
/// The kernel's; a FIFO without a reader; a reader that takes nothing for two seconds.
pub fn write_json(path: &Path, summary: &impl Serialize) -> io::Result<()> {
    let mut json = serde_json::to_vec(summary)?;
    json.push(b'\n');
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC;
    // Otherwise opening a FIFO waits for a reader.
    let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::from_raw_mode(0o666)) {
        Err(Errno::NXIO) => {
            return Err(io::Error::other("the FIFO has no reader: start one first"));
        }
        file => File::from(file?),
    };
    write_in_time(&file, &json, TIMEOUT)?;
    if file.metadata()?.is_file() {
        file.sync_all()?;
    }
    Ok(())
}

fn write_in_time(file: &File, mut rest: &[u8], timeout: Duration) -> io::Result<()> {
    let until = Instant::now() + timeout;
    while !rest.is_empty() {
        match write(file, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let remaining = until.saturating_duration_since(Instant::now());
                if remaining.is_zero() {
                    let what = format!("the FIFO's reader took nothing for {timeout:?}");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, what));
                }
                let remaining = remaining.try_into().map_err(io::Error::other)?;
                let mut room = [PollFd::new(file, PollFlags::OUT)];
                match poll(&mut room, Some(&remaining)) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    fn fifo(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        path
    }

    fn reader(path: &Path) -> File {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
        let mut options = File::options();
        options.read(true).custom_flags(flags).open(path).unwrap()
    }

    #[test]
    fn summary_written_to_a_file_then_it_replaces_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        std::fs::write(&path, "longer than what comes").unwrap();
        write_json(&path, &[1, 2]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[1,2]\n");
    }

    #[test]
    fn summary_written_to_a_fifo_then_read_or_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let error = write_json(&path, &[1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "the FIFO has no reader: start one first");
        let mut reader = reader(&path);
        write_json(&path, &[1, 2]).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "[1,2]\n");
    }

    #[test]
    fn summary_written_to_a_fifo_that_is_not_read_then_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        let _reader = reader(&path);
        let pipe = open(&path, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
        // More than a pipe holds.
        let much = vec![b'0'; 2 << 20];
        let error = write_in_time(&pipe.into(), &much, Duration::from_millis(10)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
    }
}
