//! The folders that DPDK and libxdp make under `/run` and leave there, empty.
//!
//! Where one was not there before, it goes with the last of those who may have caused it to be made.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::machine::folder::{FOLDER, Folder};

/// Inner ones first.
const FOLDERS: [&str; 3] = ["/run/dpdk/rte", "/run/dpdk", "/run/xdp"];

/// Marks those that are not there, for whoever takes the last run down.
pub(crate) fn note(_folder: &Folder) -> Result<()> {
    let absent = FOLDERS.iter().filter(|path| !Path::new(path).exists());
    for path in absent {
        fs::write(mark(path), "")?;
    }
    Ok(())
}

/// Removes those that are marked.
pub(crate) fn remove_noted(_folder: &Folder) -> Result<()> {
    for path in FOLDERS {
        match fs::remove_file(mark(path)) {
            Ok(()) => remove(path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn remove(path: &str) -> Result<()> {
    match fs::remove_dir(path) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(error).with_context(|| format!("removing {path}"))
        }
        _ => Ok(()),
    }
}

fn mark(path: &str) -> PathBuf {
    Path::new(FOLDER).join(format!("made{}", path.replace('/', "-")))
}
