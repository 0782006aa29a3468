//! One client process, which may die as a whole or lose a thread.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use onair_ipc::frames::FrameMemory;
use onair_ipc::scheduled::Mortal;

use crate::rig::Pair;

/// One client process.
pub(crate) struct Process {
    pub(crate) pair: Pair,
    pub(crate) mortal: Mortal,
    pub(crate) threads: Mutex<BTreeMap<u32, Mortal>>,
    /// Delivered frames, with the thread that has each. A ghost: the daemon cannot see it.
    pub(crate) delivered: Mutex<BTreeMap<u32, u32>>,
    /// Threads inside a get: asleep there, they are what the probe reports.
    pub(crate) getting: Mutex<BTreeSet<u32>>,
    /// Threads whose end was reported, and whether the process's was.
    pub(crate) reported: Mutex<(Vec<u32>, bool)>,
}

impl Process {
    /// The client of attachment `number` of a session with `frames`; its gate is closed.
    pub(crate) fn new(number: u64, frames: &FrameMemory) -> Self {
        let pair = Pair::new(number, false, frames, number.is_multiple_of(2));
        pair.memory.stop();
        Self {
            pair,
            mortal: Mortal::default(),
            threads: Mutex::default(),
            delivered: Mutex::default(),
            getting: Mutex::default(),
            reported: Mutex::default(),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.pair.memory.attachment()
    }

    pub(crate) fn tgid(&self) -> u32 {
        1000 + u32::try_from(self.number()).unwrap()
    }

    /// Whether a thread has ended with a frame: the frame belongs to its process now, and comes back
    /// when that ends.
    pub(crate) fn has_orphan(&self) -> bool {
        let threads: Vec<u32> = self.threads.lock().unwrap().keys().copied().collect();
        let held = self.pair.memory.held();
        let delivered = self.delivered.lock().unwrap();
        let has_owner = |frame: &u32| {
            let owner = delivered.get(frame);
            owner.is_some_and(|tid| !self.is_dead(*tid))
        };
        threads.iter().any(|tid| self.is_dead(*tid))
            && held.iter().any(|(frame, ..)| !has_owner(frame))
    }

    pub(crate) fn is_dead(&self, tid: u32) -> bool {
        let threads = self.threads.lock().unwrap();
        self.mortal.is_dead() || threads.get(&tid).is_some_and(Mortal::is_dead)
    }
}
