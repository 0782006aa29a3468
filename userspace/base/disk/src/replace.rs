//! Replaces and removes whole files.

use std::io;
use std::path::{Path, PathBuf};

use onair_mutant::mutant;

use crate::careful::Unfit;
use crate::{Disk, OpenFile};

/// Writes a part beside the file, syncs, and renames: a reader finds the old file or the new one,
/// never a part.
///
/// # Errors
/// The system's; the old file is unchanged then, unless only the sync of the folder failed.
pub fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = part(disk, path, bytes).and_then(|part| synced(disk, path, &*part));
    take_place(disk, path, written)?;
    sync_folder_of(disk, path)
}

/// The same for several files of one folder: the disk gets all before the first one is synced, and
/// all are synced before the first one is renamed, so that it takes them together. Returns the result
/// for each file.
pub fn replace_all(
    disk: &dyn Disk,
    folder: &Path,
    files: &[(PathBuf, Vec<u8>)],
) -> Vec<io::Result<()>> {
    if files.is_empty() {
        return Vec::new();
    }
    let mut done = Parts::write(disk, files).synced().take_places();
    if let Err(error) = sync_folder(disk, folder) {
        for result in done.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(io::Error::new(error.kind(), error.to_string()));
        }
    }
    done
}

/// Files beside those that they will replace, written.
#[derive(Debug)]
pub struct Parts<'a> {
    disk: &'a dyn Disk,
    parts: Vec<(&'a Path, io::Result<Box<dyn OpenFile>>)>,
}

impl<'a> Parts<'a> {
    /// Writes a part for each of `files`, and does not sync it.
    pub fn write(disk: &'a dyn Disk, files: &'a [(PathBuf, Vec<u8>)]) -> Self {
        let parts = files.iter();
        let parts = parts.map(|(path, bytes)| (&**path, part(disk, path, bytes)));
        Self {
            disk,
            parts: parts.collect(),
        }
    }

    fn synced(mut self) -> Self {
        let written = self.parts.iter().filter_map(|(_, part)| part.as_ref().ok());
        written.for_each(|part| part.begin_write());
        for (path, part) in &mut self.parts {
            if let Ok(file) = part
                && let Err(error) = synced(self.disk, path, &**file)
            {
                *part = Err(error);
            }
        }
        self
    }

    /// Renames each part to its final name. One that failed is removed. Returns the result for each.
    pub fn take_places(self) -> Vec<io::Result<()>> {
        let parts = self.parts.into_iter();
        parts
            .map(|(path, part)| take_place(self.disk, path, part.map(drop)))
            .collect()
    }
}

/// Syncs files of one folder that took their places before, and the folder. A missing file is no
/// error: it was removed since.
///
/// # Errors
/// The system's. What a file had may be lost then, even if another sync of it succeeds.
pub fn sync_all(disk: &dyn Disk, folder: &Path, paths: &[PathBuf]) -> io::Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        match disk.open(path) {
            Err(Unfit::System(error)) if error.kind() == io::ErrorKind::NotFound => {}
            file => files.push(file?),
        }
    }
    files.iter().for_each(|file| file.begin_write());
    files
        .iter()
        .try_for_each(|file| mutant!("disk: not synced later", Ok(()), file.sync_all()))?;
    sync_folder(disk, folder)
}

fn part(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<Box<dyn OpenFile>> {
    let beside = beside(path);
    let file = match disk.create(&beside) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(&beside)?;
            disk.create(&beside)?
        }
        file => file?,
    };
    file.write_all_at(bytes, 0)?;
    Ok(file)
}

fn synced(disk: &dyn Disk, path: &Path, part: &dyn OpenFile) -> io::Result<()> {
    let early = mutant!("disk: renamed before it is synced");
    if early {
        disk.rename(&beside(path), path)?;
    }
    if !mutant!("disk: not synced") {
        part.sync_all()?;
    }
    if early {
        disk.rename(path, &beside(path))?;
    }
    Ok(())
}

/// Renames a part to its final name. A part that failed is removed.
fn take_place(disk: &dyn Disk, path: &Path, written: io::Result<()>) -> io::Result<()> {
    let done = written.and_then(|()| disk.rename(&beside(path), path));
    if done.is_err() {
        // The part may not exist; the next try overwrites it.
        let _ = disk.remove(&beside(path));
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
pub fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        // An earlier try may have removed it, and then failed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if mutant!("disk: a removal that is tried again is not synced") {
                return Ok(());
            }
        }
        done => done?,
    }
    match sync_folder_of(disk, path) {
        // Nor is there a folder.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Opens a folder, which is created if there is none. Returns when the disk has all names in it: a daemon
/// that was killed may have left some that it has not.
///
/// # Errors
/// The system's.
pub fn open_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    disk.create_folder(folder)?;
    mutant!(
        "disk: names that a dead daemon left are not synced",
        Ok(()),
        disk.sync_folder(folder)
    )
}

/// Renames an invalid file to `NAME.corrupt` for inspection; an earlier one is overwritten. Returns
/// the new path.
///
/// # Errors
/// The system's.
pub fn set_aside(disk: &dyn Disk, path: &Path) -> io::Result<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".corrupt");
    let aside = PathBuf::from(aside);
    disk.rename(path, &aside)?;
    Ok(aside)
}

fn sync_folder_of(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(_) if mutant!("disk: the folder of one file is not synced") => Ok(()),
        Some(folder) => disk.sync_folder(folder),
        None => Ok(()),
    }
}

fn sync_folder(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    mutant!(
        "disk: the folder of several files is not synced",
        Ok(()),
        disk.sync_folder(folder)
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::RealDisk;

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
        replace(&RealDisk, &path, b"one").unwrap();
        std::os::unix::fs::symlink(&other, beside(&path)).unwrap();
        replace(&RealDisk, &path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read(&other).unwrap(), b"precious");
    }

    #[test]
    fn file_replaced_removed_and_set_aside_then_nothing_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace(&RealDisk, &path, b"one").unwrap();
        replace(&RealDisk, &path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let aside = set_aside(&RealDisk, &path).unwrap();
        assert_eq!(aside, folder.path().join("a.json.corrupt"));
        remove(&RealDisk, &aside).unwrap();
        remove(&RealDisk, &aside).unwrap();
        assert_eq!(RealDisk.list(folder.path()).unwrap().len(), 0);
    }
}
