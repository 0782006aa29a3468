//! Files that exist complete or not at all, even after a power failure.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use onair_mutant::mutant;
use onair_record::{Unfit, open_regular};
use rustix::fs::{Advice, OFlags, fadvise};

/// Mode of new files: other users must not be able to write them, with any umask.
const MODE: u32 = 0o644;

/// Writes a part beside the file, syncs, and renames: a reader finds the old file or the new one,
/// never a part.
///
/// # Errors
/// The system's; the old file is unchanged then, unless only the sync of the folder failed.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    take_place(path, part(path, bytes).and_then(|part| synced(path, &part)))?;
    sync_folder(path)
}

/// The same for several files of one folder: the disk gets all before the first one is synced, and
/// all are synced before the first one is renamed, so that it takes them together. Returns the result
/// for each file.
pub fn replace_all(folder: &Path, files: &[(PathBuf, Vec<u8>)]) -> Vec<io::Result<()>> {
    if files.is_empty() {
        return Vec::new();
    }
    let mut done = Parts::write(files).synced().take_places();
    if let Err(error) = sync(folder) {
        for result in done.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(io::Error::new(error.kind(), error.to_string()));
        }
    }
    done
}

/// Files beside those that they will replace, written.
#[derive(Debug)]
pub struct Parts<'a>(Vec<(&'a Path, io::Result<File>)>);

impl<'a> Parts<'a> {
    /// Writes a part for each of `files`, and does not sync it.
    pub fn write(files: &'a [(PathBuf, Vec<u8>)]) -> Self {
        let parts = files.iter();
        Self(
            parts
                .map(|(path, bytes)| (&**path, part(path, bytes)))
                .collect(),
        )
    }

    fn synced(mut self) -> Self {
        let written = self.0.iter().filter_map(|(_, part)| part.as_ref().ok());
        written.for_each(begin_write);
        for (path, part) in &mut self.0 {
            if let Ok(file) = part
                && let Err(error) = synced(path, file)
            {
                *part = Err(error);
            }
        }
        self
    }

    /// Renames each part to its final name. One that failed is removed. Returns the result for each.
    pub fn take_places(self) -> Vec<io::Result<()>> {
        let parts = self.0.into_iter();
        parts
            .map(|(path, part)| take_place(path, part.map(drop)))
            .collect()
    }
}

/// Syncs files of one folder that took their places before, and the folder. A missing file is no
/// error: it was removed since.
///
/// # Errors
/// The system's. What a file had may be lost then, even if another sync of it succeeds.
pub fn sync_all(folder: &Path, paths: &[PathBuf]) -> io::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        match open_regular(path, OFlags::RDONLY) {
            Err(Unfit::System(error)) if error.kind() == io::ErrorKind::NotFound => {}
            file => files.push(file?),
        }
    }
    files.iter().for_each(begin_write);
    files
        .iter()
        .try_for_each(|file| mutant!("disk: not synced later", Ok(()), file.sync_all()))?;
    sync(folder)
}

fn part(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let beside = beside(path);
    // Never through an existing entry: a link would lead elsewhere, a FIFO would wait for a reader.
    let create = || {
        let mut options = File::options();
        options
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&beside)
    };
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(&beside)?;
            create()?
        }
        file => file?,
    };
    file.write_all(bytes)?;
    Ok(file)
}

/// Lets the kernel begin to write a part to the disk: with the file's blocks allocated, the first sync
/// of several files commits the file system's journal for all of them (ext4). Does not wait.
pub fn begin_write(part: &File) {
    // Only a hint (posix_fadvise(2)): the sync follows.
    let _ = fadvise(part, 0, None, Advice::DontNeed);
}

fn synced(path: &Path, part: &File) -> io::Result<()> {
    let early = mutant!("disk: renamed before it is synced");
    if early {
        fs::rename(beside(path), path)?;
    }
    if !mutant!("disk: not synced") {
        part.sync_all()?;
    }
    if early {
        fs::rename(path, beside(path))?;
    }
    Ok(())
}

/// Renames a part to its final name. A part that failed is removed.
fn take_place(path: &Path, written: io::Result<()>) -> io::Result<()> {
    let done = written.and_then(|()| fs::rename(beside(path), path));
    if done.is_err() {
        // The part may not exist; the next try overwrites it.
        let _ = fs::remove_file(beside(path));
    }
    done
}

fn beside(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

/// Removes a file durably; a missing file is no error.
///
/// # Errors
/// The system's.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(path),
    }
}

/// Renames an invalid file to `NAME.corrupt` for inspection; an earlier one is overwritten. Returns
/// the new path.
///
/// # Errors
/// The system's.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".corrupt");
    let aside = PathBuf::from(aside);
    fs::rename(path, &aside)?;
    Ok(aside)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(_) if mutant!("disk: the folder of one file is not synced") => Ok(()),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    let folder = File::open(folder)?;
    mutant!(
        "disk: the folder of several files is not synced",
        Ok(()),
        folder.sync_all()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_written_over_a_fifo_or_a_link_then_it_is_replaced() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.json"), folder.path().join("other"));
        fs::write(&other, b"precious").unwrap();
        mknodat(
            CWD,
            beside(&path),
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        replace(&path, b"one").unwrap();
        std::os::unix::fs::symlink(&other, beside(&path)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read(&other).unwrap(), b"precious");
    }

    #[test]
    fn file_replaced_removed_and_set_aside_then_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let aside = set_aside(&path).unwrap();
        assert_eq!(aside, folder.path().join("a.json.corrupt"));
        remove(&aside).unwrap();
        remove(&aside).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
