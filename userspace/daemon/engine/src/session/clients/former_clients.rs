//! Clients that left the session, or were evicted from it, and keep its memory. Each costs the
//! daemon descriptors and address space, so their number is limited per process, per user and in
//! total.

use std::collections::{BTreeSet, HashMap};

use onair_dataplane::Runtime;
use onair_ipc::memory::AttachmentMemory;
use onair_session::{RetiredMemory, SessionCore};
use onair_shares::{Owner, Refused, Share, Table, Usage};

use crate::clients::processes::Processes;
use crate::mapping;
use crate::services::Services;
use crate::session::attachment::ClientProcess;

/// Owners of the memory that clients have left behind.
#[derive(Debug, Default)]
pub(crate) struct FormerClients {
    /// By attachment, those that may still have the memory.
    of: HashMap<u64, FormerClient>,
    refused: u64,
    last: Option<Owner>,
}

#[derive(Clone, Copy, Debug)]
struct FormerClient {
    uid: u32,
    pid: u32,
    /// Start time of its process; `None` if it had ended.
    started_ticks: Option<u64>,
}

impl FormerClient {
    fn of(processes: &dyn Processes, client: &ClientProcess) -> Self {
        let (uid, pid) = (client.who.uid, client.who.pid);
        Self {
            uid,
            pid,
            started_ticks: processes.started_ticks(pid),
        }
    }

    /// Whether its process lives, and its pid is not another's now.
    fn lives(&self, processes: &dyn Processes) -> bool {
        self.started_ticks.is_some() && processes.started_ticks(self.pid) == self.started_ticks
    }
}

impl FormerClients {
    /// Pids of living clients that left and still have memory of the session, also of `retired`.
    pub(crate) fn holders(
        &self,
        core: &SessionCore<Runtime>,
        services: &Services,
        retired: &RetiredMemory,
    ) -> BTreeSet<u32> {
        let retired = retired.words().map(|words| &**words);
        let all = memory_left_behind(core, services).chain(retired);
        let held = all.filter(|words| !mapping::is_free(&*services.machine, words));
        let clients = held.filter_map(|words| self.of.get(&words.attachment()));
        let living = clients.filter(|it| it.lives(services.machine.processes()));
        living.map(|it| it.pid).collect()
    }

    /// Records a client that has left; its memory is put aside already.
    pub(crate) fn note(
        &mut self,
        core: &SessionCore<Runtime>,
        services: &Services,
        number: u64,
        client: &ClientProcess,
    ) {
        let kept: Vec<u64> = memory_left_behind(core, services)
            .map(AttachmentMemory::attachment)
            .collect();
        self.of.retain(|number, _| kept.contains(number));
        let former = FormerClient::of(services.machine.processes(), client);
        self.of.insert(number, former);
    }

    /// Whether one more client of `owner` may attach, given the clients that left.
    pub(crate) fn check(
        &mut self,
        core: &SessionCore<Runtime>,
        services: &Services,
        owner: Owner,
    ) -> Result<(), Refused> {
        let share = services.config.limits.former_clients_share();
        let check = |table: &Table| share.check(owner, table.used_by(owner), 1);
        // Most clients that left have released the memory, but the daemon has not seen it yet:
        // check only if it decides.
        if check(&self.table(core, services, share, |_| true)).is_ok() {
            return Ok(());
        }
        let checked = check(&self.table(core, services, share, |words| {
            !mapping::is_free(&*services.machine, words)
        }));
        if checked.is_err() {
            self.refused += 1;
            self.last = Some(owner);
        }
        checked
    }

    /// Clients that left and satisfy `keeps`, plus evicted clients.
    fn table(
        &self,
        core: &SessionCore<Runtime>,
        services: &Services,
        share: Share,
        keeps: impl Fn(&AttachmentMemory) -> bool,
    ) -> Table {
        let evicted = core.clients().evicted().map(|it| {
            let who = &it.attachment.who;
            (who.uid, who.pid)
        });
        let left = memory_left_behind(core, services).filter(|words| keeps(words));
        let left = left.filter_map(|words| self.of.get(&words.attachment()));
        let left = left.map(|it| (it.uid, it.pid));
        let mut table = Table::new(share);
        for (uid, pid) in evicted.chain(left) {
            table.count(uid, pid);
        }
        table
    }

    /// Clients that keep its memory, for health: may count a few too many.
    pub(crate) fn usage(&self, core: &SessionCore<Runtime>, services: &Services) -> Usage {
        let share = services.config.limits.former_clients_share();
        let mut table = self.table(core, services, share, |_| true);
        let mut usage = table.usage();
        if self.last.is_some() || usage.problem().is_some() {
            table = self.table(core, services, share, |words| {
                !mapping::is_free(&*services.machine, words)
            });
            usage = table.usage();
        }
        let stands = |last: Owner| share.check(last, table.used_by(last), 1).err();
        usage.standing = self.last.and_then(stands);
        usage.refused = self.refused;
        usage
    }
}

fn memory_left_behind<'a>(
    core: &'a SessionCore<Runtime>,
    services: &'a Services,
) -> impl Iterator<Item = &'a AttachmentMemory> {
    let in_pending_reclaim = services.pending_reclaim.memory_of_former_clients(core.id());
    core.life()
        .retired()
        .words()
        .map(|words| &**words)
        .chain(in_pending_reclaim)
}
