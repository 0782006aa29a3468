//! What a third process may have of a client's: its socket and its memory, passed on or inherited.

use std::fs::{self, File};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// This process's own descriptors of everything that a client has of its daemon's.
#[derive(Debug)]
pub struct ClientFiles {
    /// Its sockets.
    pub sockets: Vec<OwnedFd>,
    /// The memory files that it has mapped.
    pub memory: Vec<File>,
}

impl ClientFiles {
    /// Takes them from process `pid`, which goes on having them.
    pub fn of(pid: u32) -> Result<Self> {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let process = pidfd_open(number.context("a pid")?, PidfdFlags::empty())?;
        let mut sockets = Vec::new();
        for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
            let entry = entry?;
            let target = fs::read_link(entry.path())?;
            if target.to_string_lossy().starts_with("socket:") {
                let number = entry.file_name().to_string_lossy().parse()?;
                sockets.push(pidfd_getfd(&process, number, PidfdGetfdFlags::empty())?);
            }
        }
        let mut memory = Vec::new();
        for entry in fs::read_dir(format!("/proc/{pid}/map_files"))? {
            let path = entry?.path();
            let is_ours = fs::read_link(&path)
                .is_ok_and(|target| target.to_string_lossy().starts_with("/memfd:onair"));
            if is_ours {
                memory.push(File::open(&path)?);
            }
        }
        Ok(Self { sockets, memory })
    }
}
