//! Threads that end inside a call.

use std::sync::mpsc::channel;
use std::thread;

use anyhow::{Result, bail};
use onair::Timeout;
use onair_ipc::sys::gettid;
use rustix::thread::{SecureComputingMode, set_secure_computing_mode};
use serde_json::json;

use super::{Outcome, Puppet};

impl Puppet {
    /// Starts `count` threads, each of which the kernel ends where it would go to sleep in
    /// `buffer_get`: in strict seccomp(2) any system call but a few ends the thread that makes it,
    /// and no other. No destructor of the thread runs.
    pub(crate) fn exit_inside(&self, count: usize) -> Result<Outcome> {
        let (told, tids) = channel();
        for _ in 0..count {
            let session = self.session()?.clone();
            let told = told.clone();
            // A handle that is joined would wait for a result that never comes.
            drop(thread::Builder::new().spawn(move || {
                // Takes a slot, and a frame if there is one.
                let first = session.buffer_get(Timeout::NOW).map(drop);
                let _ = told.send((gettid(), first));
                drop(told);
                if set_secure_computing_mode(SecureComputingMode::Strict).is_ok() {
                    let _ = session.buffer_get(Timeout::NEVER);
                }
            })?);
        }
        drop(told);
        let mut all = Vec::new();
        for (tid, first) in tids {
            match first {
                Ok(()) | Err(onair::Error::TimedOut) => all.push(tid),
                Err(error) => return Ok(Err(error)),
            }
        }
        if all.len() != count {
            bail!("{} of {count} threads told their number", all.len());
        }
        Ok(Ok(json!({ "tids": all })))
    }
}
