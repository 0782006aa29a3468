//! Safe opening of files in a folder that other users may have written to.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::geteuid;

/// Write permission for users other than the owner and the group.
const WRITABLE_FOR_OTHERS: u32 = 0o002;

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is a folder, a link, a FIFO, a socket or a device.
    #[error("it is no regular file")]
    Kind,
    /// It belongs to a user other than root and the daemon's.
    #[error("it belongs to uid {0}: chown it to root or to the user that runs onaird")]
    Owner(u32),
    /// Other users may change it.
    #[error("its mode is {0:03o}, writable for others: chmod o-w")]
    Mode(u32),
    /// It is too large.
    #[error("it has {0} bytes, more than any file of its kind")]
    Size(u64),
    /// The kernel's error.
    #[error("{0}")]
    System(#[from] io::Error),
}

impl From<Errno> for Unfit {
    fn from(error: Errno) -> Self {
        Self::System(error.into())
    }
}

impl From<Unfit> for io::Error {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::System(error) => error,
            unfit => Self::other(unfit),
        }
    }
}

/// Opens a regular file that belongs to root or this process's user and that other users cannot
/// write. Does not follow links or block, even on a FIFO.
///
/// # Errors
/// [`Unfit`]: the file is unsafe, or the kernel's error.
pub fn open_regular(path: &Path, access: OFlags) -> Result<File, Unfit> {
    let (file, about) = open_any(path, access | OFlags::NOFOLLOW)?;
    if about.uid() != 0 && about.uid() != geteuid().as_raw() {
        return Err(Unfit::Owner(about.uid()));
    }
    if about.mode() & WRITABLE_FOR_OTHERS != 0 {
        return Err(Unfit::Mode(about.mode() & 0o777));
    }
    Ok(file)
}

/// Opens a regular file of any owner. Does not block, even on a FIFO.
fn open_any(path: &Path, flags: OFlags) -> Result<(File, Metadata), Unfit> {
    let all = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, all, Mode::empty()) {
        Err(Errno::ISDIR | Errno::NXIO) => return Err(Unfit::Kind),
        Err(Errno::LOOP) if flags.contains(OFlags::NOFOLLOW) => return Err(Unfit::Kind),
        file => File::from(file?),
    };
    let about = file.metadata()?;
    match about.is_file() {
        true => Ok((file, about)),
        false => Err(Unfit::Kind),
    }
}

/// Reads a file as [`open_regular`] does, if it has at most `most` bytes.
///
/// # Errors
/// [`Unfit`]: the file is unsafe or too large, or the kernel's error.
pub fn read_regular(path: &Path, most: u64) -> Result<Vec<u8>, Unfit> {
    read(open_regular(path, OFlags::RDONLY)?, most)
}

/// Reads a regular file that the operator names, if it has at most `most` bytes. Follows links, and
/// accepts any owner. Does not block, even on a FIFO.
///
/// # Errors
/// [`Unfit`]: not a regular file or too large, or the kernel's error.
pub fn read_named(path: &Path, most: u64) -> Result<Vec<u8>, Unfit> {
    read(open_any(path, OFlags::RDONLY)?.0, most)
}

fn read(file: File, most: u64) -> Result<Vec<u8>, Unfit> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        length if length > most => Err(Unfit::Size(length)),
        _ => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    const MOST: u64 = 5;

    fn read(path: &Path) -> Result<Vec<u8>, Unfit> {
        read_regular(path, MOST)
    }

    fn refusal(path: &Path) -> String {
        read(path).unwrap_err().to_string()
    }

    #[test]
    fn file_regular_own_and_short_then_read_and_else_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "12345").unwrap();
        assert_eq!(read(&at("file")).unwrap(), b"12345");
        std::fs::write(at("long"), "123456").unwrap();
        assert!(refusal(&at("long")).contains("6 bytes"));
        symlink(at("file"), at("link")).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for name in ["link", "fifo", "."] {
            assert_eq!(refusal(&at(name)), "it is no regular file");
        }
        let unfit = open_regular(&at("fifo"), OFlags::WRONLY).unwrap_err();
        assert!(matches!(unfit, Unfit::Kind));
        assert!(matches!(
            read(&at("none")),
            Err(Unfit::System(error)) if error.kind() == io::ErrorKind::NotFound
        ));
        std::fs::set_permissions(at("file"), PermissionsExt::from_mode(0o646)).unwrap();
        assert!(refusal(&at("file")).contains("646"));
        // Names that an operator gives.
        for name in ["file", "link"] {
            assert_eq!(read_named(&at(name), MOST).unwrap(), b"12345");
        }
        for name in ["fifo", "."] {
            assert!(matches!(read_named(&at(name), MOST), Err(Unfit::Kind)));
        }
    }

    #[test]
    fn file_of_another_user_then_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "1").unwrap();
        std::os::unix::fs::chown(&path, Some(54_321), None).unwrap();
        assert!(refusal(&path).contains("uid 54321"));
    }
}
