//! What a write that reaches the disk costs, on the disk of a daemon's state.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::Result;
use onair_ipc::sys;
use onair_stage::Rig;

use crate::result::samples::micros_since;

const BLOCK: [u8; 4096] = [0x5a; 4096];

/// What rows call it.
pub(crate) const SYNC: &str = "one fdatasync of the same disk";

/// A file beside the daemon's state. It has its size: a synchronisation writes one block, and nothing about the file.
pub(crate) struct Disk(File);

impl Disk {
    pub(crate) fn beside(rig: &Rig) -> Result<Self> {
        let file = File::create(rig.stage().directory().join("block"))?;
        file.write_all_at(&BLOCK, 0)?;
        file.sync_all()?;
        Ok(Self(file))
    }

    /// Writes the block and synchronises it; µs.
    pub(crate) fn sync(&self) -> Result<f64> {
        let begin = sys::monotonic_ns();
        self.0.write_all_at(&BLOCK, 0)?;
        self.0.sync_data()?;
        Ok(micros_since(begin))
    }
}
