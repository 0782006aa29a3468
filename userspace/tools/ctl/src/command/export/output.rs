//! The file that is written. It gets its name when it is complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::failure::export::ExportError;

/// Suffix of a file until it is complete.
const UNFINISHED: &str = "part";
/// Zeros that are written at once.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A file under way. Its drop removes it.
pub(super) struct Output {
    path: PathBuf,
    force: bool,
    to: To,
    bytes: u64,
    pending: Vec<u8>,
}

enum To {
    Standard,
    File { file: File, part: PathBuf },
}

impl Output {
    /// Creates it. `inputs` are not written over.
    pub(super) fn create(
        path: &Path,
        force: bool,
        inputs: &[PathBuf],
    ) -> Result<Self, ExportError> {
        let path = path.to_owned();
        if path == Path::new("-") {
            return Ok(Self {
                path: "standard output".into(),
                force,
                to: To::Standard,
                bytes: 0,
                pending: Vec::new(),
            });
        }
        if let Ok(own) = path.canonicalize() {
            if inputs
                .iter()
                .any(|it| it.canonicalize().is_ok_and(|it| it == own))
            {
                return Err(ExportError::OverInput(path));
            }
            if !force {
                return Err(ExportError::Exists(path));
            }
        }
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{UNFINISHED}"));
        let part = PathBuf::from(part);
        let mut options = OpenOptions::new();
        options.write(true).truncate(true);
        let file = match force {
            true => options.create(true).open(&part),
            false => options.create_new(true).open(&part),
        };
        match file {
            Ok(file) => Ok(Self {
                path,
                force,
                to: To::File { file, part },
                bytes: 0,
                pending: Vec::new(),
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(ExportError::Part(part))
            }
            Err(error) => Err(ExportError::Write { path: part, error }),
        }
    }

    /// The bytes that [`Self::flush`] writes next.
    pub(super) const fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Writes what is pending.
    pub(super) fn flush(&mut self) -> Result<(), ExportError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        self.write(&pending)?;
        pending.clear();
        self.pending = pending;
        Ok(())
    }

    /// Writes what is pending, and so many zeros, which take no memory.
    pub(super) fn zeros(&mut self, mut bytes: u64) -> Result<(), ExportError> {
        self.flush()?;
        while bytes > 0 {
            let part = usize::try_from(bytes).map_or(ZEROS.len(), |it| it.min(ZEROS.len()));
            self.write(&ZEROS[..part])?;
            bytes -= part as u64;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        self.bytes += bytes.len() as u64;
        let written = match &mut self.to {
            To::Standard => io::stdout().write_all(bytes),
            To::File { file, .. } => file.write_all(bytes),
        };
        written.map_err(|error| self.failed(error))
    }

    /// Writes over the first bytes of a file; standard output keeps what it got.
    pub(super) fn replace_start(&mut self, bytes: &[u8]) -> Result<(), ExportError> {
        let written = match &self.to {
            To::Standard => Ok(()),
            To::File { file, .. } => file.write_all_at(bytes, 0),
        };
        written.map_err(|error| self.failed(error))
    }

    /// Gives the file its name. Returns its bytes.
    pub(super) fn finish(mut self) -> Result<u64, ExportError> {
        match std::mem::replace(&mut self.to, To::Standard) {
            To::Standard => io::stdout().flush().map_err(|error| self.failed(error))?,
            To::File { file, part } => {
                let named = self.give_name(&file, &part);
                if named.is_err() {
                    self.to = To::File { file, part };
                }
                named?;
            }
        }
        Ok(self.bytes)
    }

    fn give_name(&self, file: &File, part: &Path) -> Result<(), ExportError> {
        if !self.force && self.path.symlink_metadata().is_ok() {
            return Err(ExportError::Exists(self.path.clone()));
        }
        let named = file.sync_all().and_then(|()| fs::rename(part, &self.path));
        named.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> ExportError {
        let path = self.path.clone();
        ExportError::Write { path, error }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let To::File { part, .. } = &self.to {
            drop(fs::remove_file(part));
        }
    }
}
