//! An empty file that is made ahead.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Disk, OpenFile};

/// An empty file, made ahead: to make one takes some file systems longer than to sync another. It is beside the
/// folder in which it will be used.
#[derive(Debug)]
pub struct Spare {
    path: PathBuf,
    file: Option<Box<dyn OpenFile>>,
}

impl Spare {
    /// One that will be at `path`, which is nobody else's.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Makes the file, if there is none. Without it files are made when they are used.
    pub fn make(&mut self, disk: &dyn Disk) {
        if self.file.is_none() {
            // The system reports why when a file is used.
            self.file = create(disk, &self.path).ok();
        }
    }

    /// Makes it the file `path`, with these bytes, and does not sync it. Returns `None` if there is none, or it
    /// cannot be.
    pub(crate) fn take(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        bytes: &[u8],
    ) -> Option<Box<dyn OpenFile>> {
        let file = self.file.take()?;
        file.write_all_at(bytes, 0).ok()?;
        disk.rename(&self.path, path).ok()?;
        Some(file)
    }
}

/// Creates an empty file in place of what is there.
pub(crate) fn create(disk: &dyn Disk, path: &Path) -> io::Result<Box<dyn OpenFile>> {
    match disk.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(path)?;
            disk.create(path)
        }
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::{Parts, RealDisk};

    #[test]
    fn spare_there_gone_or_replaced_then_each_file_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (spare, dir) = (folder.path().join("next"), folder.path().join("all"));
        fs::create_dir(&dir).unwrap();
        // A killed daemon's.
        fs::write(&spare, b"older").unwrap();
        let inode = |path: &Path| fs::metadata(path).unwrap().ino();
        let mut next = Spare::at(spare.clone());
        for (round, is_used) in [(0, true), (1, false), (2, false), (3, true)] {
            next.make(&RealDisk);
            let made = inode(&spare);
            match round {
                // Its inode stays in use.
                1 => fs::rename(&spare, folder.path().join("moved")).unwrap(),
                2 => next.file = None,
                _ => {}
            }
            let files: Vec<_> = [0, 1]
                .map(|at| (dir.join(format!("{round}{at}")), vec![round; 5000]))
                .into();
            let results = Parts::write(&RealDisk, &files, Some(&mut next)).take_places();
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            for (path, bytes) in &files {
                assert_eq!(&fs::read(path).unwrap(), bytes);
            }
            assert_eq!(inode(&files[0].0) == made, is_used, "{round}");
        }
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 8);
    }
}
