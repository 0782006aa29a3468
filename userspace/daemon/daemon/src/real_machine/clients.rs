//! Client processes and their memory.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use onair_api::SessionId;
use onair_engine::clients::inspection::Inspection;
use onair_engine::clients::processes::Processes;
use onair_engine::machine::{Charge, ClientAccess, Later, MemoryReturn};
use onair_ipc::freshness::Freshness;
use onair_ipc::memfd::Memfd;
use onair_ipc::memory::AttachmentMemory;
use onair_session::RetiredMemory;

use super::RealMachine;
use crate::clients::threads::Proc;
use crate::witness::mapping;

impl ClientAccess for RealMachine {
    fn inspect(&self, inspection: Inspection) {
        self.inspector.ask(inspection);
    }

    fn inspections_due(&self) -> Option<Instant> {
        self.inspector.wake_at()
    }

    fn expire_inspections(&self, now: Instant) {
        self.inspector.expire(now);
    }

    fn processes(&self) -> &dyn Processes {
        &Proc
    }

    fn hang(&mut self, memory: &AttachmentMemory) -> Result<usize, String> {
        let place = self.death_notifier.hang(memory);
        place.map_err(|error| error.to_string())
    }

    fn unhang(&mut self, place: usize) {
        self.death_notifier.unhang(place);
    }

    fn guard(&mut self, file: BorrowedFd<'_>, owner: (u64, u64)) {
        self.guard.watch(file, owner);
    }

    fn touched(&mut self) -> Vec<(u64, u64)> {
        self.guard.touched()
    }

    fn guard_problem(&self) -> Option<String> {
        self.guard.problem().map(str::to_owned)
    }
}

impl MemoryReturn for RealMachine {
    fn is_sole(&self, file: &Memfd) -> io::Result<bool> {
        mapping::is_sole(file)
    }

    fn replace_pages(&self, of: &Arc<Freshness>) {
        self.reclaimer.replace_pages(Arc::clone(of));
    }

    fn give_back(&self, charge: Charge, memory: RetiredMemory) {
        self.reclaimer.give_back(charge, memory);
    }

    fn is_returning(&self, session: SessionId) -> bool {
        self.reclaimer.has(session)
    }

    fn when_returned(&self, session: SessionId) -> Later<()> {
        let returned = self.reclaimer.returned(session);
        // A thread that has died has returned what it could.
        Box::pin(async { returned.await.unwrap_or_default() })
    }

    fn returning(&self) -> Vec<(u32, u64)> {
        self.reclaimer.returning()
    }

    fn pinned(&self) -> Vec<(Charge, u64)> {
        self.reclaimer.pinned()
    }

    fn pinned_due(&self) -> Option<Instant> {
        self.reclaimer.wake_at()
    }

    fn ask_for_pinned(&mut self, now: Instant) {
        self.reclaimer.ask_again(now);
    }
}
