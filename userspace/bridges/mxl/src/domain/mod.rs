//! The folder of a domain: what this program asks its file system itself, because the library does not say it.
//!
//! A flow is the folder `ID.mxl-flow` (MXL's page "Architecture"). Its writers hold a shared lock of the file `data`
//! (flock(2)), so that anyone can see whether a flow has one; readers hold none. The library removes a flow by its *name*
//! when its last writer leaves, also if another flow stands at that name by then; and a writer whose files were removed is
//! told nothing: it writes on without readers. Hence [`FlowLock`] compares the inode before each grain, and holds a lock of its own
//! that keeps the library from removing what is not this writer's.

mod flow_lock;
mod stale;

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use uuid::Uuid;

pub use flow_lock::{FlowLock, FlowLockError, Standing};
pub use stale::{Dead, dead_maps};

/// Longest definition that is read.
const LONGEST: u64 = 1 << 20;
/// Bytes of a grain's file before its payload.
const GRAIN_HEAD: u64 = 8192;

/// The files of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFiles {
    folder: PathBuf,
}

impl FlowFiles {
    /// Of a flow in a domain.
    #[must_use]
    pub fn of(domain: &Path, id: Uuid) -> Self {
        Self {
            folder: domain.join(format!("{id}.mxl-flow")),
        }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file whose lock says that it has a writer.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Its definition.
    ///
    /// # Errors
    /// The kernel's; [`io::ErrorKind::InvalidData`]: too long, or no JSON.
    pub fn definition(&self) -> io::Result<Value> {
        document(&self.folder.join("flow_def.json"))
    }

    /// Whether its files are as large as its units need: `grains` grains whose payloads have `bytes` bytes.
    #[must_use]
    pub fn hold_grains(&self, grains: u64, bytes: usize) -> bool {
        let need = GRAIN_HEAD + bytes as u64;
        let folder = self.folder.join("grains");
        (0..grains).all(|at| size(&folder.join(format!("data.{at}"))) >= need)
    }

    /// As [`Self::hold_grains`], of `channels` channels with `samples` samples each.
    #[must_use]
    pub fn hold_samples(&self, channels: u32, samples: usize) -> bool {
        let need = u64::from(channels) * (samples * size_of::<f32>()) as u64;
        size(&self.folder.join("channels")) >= need
    }
}

/// The id that the domain has on every host and in every container (BCP-007-03), if its `domain_def.json` gives it one.
#[must_use]
pub fn identity(domain: &Path) -> Option<Uuid> {
    let definition = document(&domain.join("domain_def.json")).ok()?;
    Uuid::try_parse(definition["id"].as_str()?).ok()
}

fn document(path: &Path) -> io::Result<Value> {
    use io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(LONGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok(serde_json::from_str(&text)?)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |it| it.len())
}
