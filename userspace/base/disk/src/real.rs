//! The machine's disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags, fadvise};

use crate::careful::{Unfit, open_regular, read_regular};
use crate::{Disk, OpenFile};

/// Mode of new files: other users must not be able to write them, with any umask.
const MODE: u32 = 0o644;

/// The machine's disk.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        folder.parent().map_or(Ok(()), |it| self.sync_folder(it))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|it| Ok(it?.path())).collect()
    }

    fn read(&self, path: &Path, most: u64) -> Result<Vec<u8>, Unfit> {
        read_regular(path, most)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let mut options = File::options();
        // Never through an existing entry: a link would lead elsewhere, a FIFO would wait for a reader.
        let file = options.write(true).create_new(true).mode(MODE).open(path)?;
        Ok(Box::new(file))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn OpenFile>, Unfit> {
        Ok(Box::new(open_regular(path, OFlags::WRONLY)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

impl OpenFile for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }

    fn begin_write(&self) {
        // Only a hint (posix_fadvise(2)): the sync follows.
        let _ = fadvise(self, 0, None, Advice::DontNeed);
    }

    fn sync_all(&self) -> io::Result<()> {
        Self::sync_all(self)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }
}
