//! Memory on its way back to the kernel.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use onair_api::SessionId;
use onair_engine::machine::{Charge, Later, MemoryReturn};
use onair_ipc::freshness::Freshness;
use onair_ipc::memfd::Memfd;
use onair_session::RetiredMemory;

use crate::SimulatedMachine;

/// The thread that gives memory back.
#[derive(Debug, Default)]
pub(crate) struct Reclaimer {
    stands: bool,
    /// Memory that it has not given back.
    waiting: Vec<(Charge, RetiredMemory)>,
}

impl Reclaimer {
    pub(crate) fn set_stands(&mut self, stands: bool) {
        self.stands = stands;
        if !stands {
            self.waiting.clear();
        }
    }

    fn is_returning(&self, session: SessionId) -> bool {
        self.waiting.iter().any(|(of, _)| of.session == session)
    }
}

impl MemoryReturn for SimulatedMachine {
    fn is_sole(&self, file: &Memfd) -> io::Result<bool> {
        file.is_sole_user()
    }

    fn replace_pages(&self, of: &Arc<Freshness>) {
        of.replace().expect("the kernel replaces pages");
    }

    fn give_back(&self, charge: Charge, memory: RetiredMemory) {
        let reclaimer = &mut self.shared.lock().reclaimer;
        if reclaimer.stands {
            reclaimer.waiting.push((charge, memory));
        }
    }

    fn is_returning(&self, session: SessionId) -> bool {
        self.shared.lock().reclaimer.is_returning(session)
    }

    fn when_returned(&self, session: SessionId) -> Later<()> {
        let shared = self.shared.clone();
        Box::pin(poll_fn(move |_| {
            match shared.lock().reclaimer.is_returning(session) {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        }))
    }

    fn returning(&self) -> Vec<(u32, u64)> {
        let waiting = &self.shared.lock().reclaimer.waiting;
        let all = waiting.iter().flat_map(|(of, it)| it.bytes_by_user(of.uid));
        all.collect()
    }

    fn pinned(&self) -> Vec<(Charge, u64)> {
        Vec::new()
    }

    fn pinned_due(&self) -> Option<Instant> {
        None
    }

    fn ask_for_pinned(&mut self, _: Instant) {}
}
