//! Clients that left the session, or were evicted from it, and keep its memory. Each costs the
//! daemon descriptors and address space, so their number is limited per process, per user and in
//! total.

use std::collections::HashMap;

use onair_ipc::memory::AttachmentMemory;
use onair_probe::share::{Owner, Refused, Share, Table, Usage};
use onair_types::SessionName;

use super::Session;
use super::attachment::Client;
use crate::services::Services;
use crate::witness::mapping::is_free;

/// Owners of the memory that clients have left behind.
#[derive(Debug, Default)]
pub(super) struct FormerClients {
    /// Uid and pid by attachment, for clients that may still have the memory.
    of: HashMap<u64, (u32, u32)>,
    refused: u64,
    last: Option<Owner>,
}

impl Session {
    /// Records a client that has left; its memory is put aside already.
    pub(super) fn note_former_client(&mut self, services: &Services, number: u64, client: &Client) {
        let kept: Vec<u64> = self
            .memory_left_behind(services)
            .map(AttachmentMemory::attachment)
            .collect();
        self.former_clients
            .of
            .retain(|number, _| kept.contains(number));
        let who = (client.who.uid, client.who.pid);
        self.former_clients.of.insert(number, who);
    }

    /// Whether one more client of `owner` may attach, given the clients that left.
    pub(super) fn check_former_clients(
        &mut self,
        services: &Services,
        owner: Owner,
    ) -> Result<(), Refused> {
        let share = services.config.limits.former_clients_share();
        let check = |table: &Table| share.check(owner, table.used_by(owner), 1);
        // Most clients that left have released the memory, but the daemon has not seen it yet:
        // check only if it decides.
        if check(&self.former_clients_table(services, share, |_| true)).is_ok() {
            return Ok(());
        }
        let checked = check(&self.former_clients_table(services, share, |words| !is_free(words)));
        if checked.is_err() {
            self.former_clients.refused += 1;
            self.former_clients.last = Some(owner);
        }
        checked
    }

    /// Clients that keep its memory, for health: may count a few too many.
    pub fn former_clients_usage(&self, services: &Services) -> (SessionName, Usage) {
        let share = services.config.limits.former_clients_share();
        let mut table = self.former_clients_table(services, share, |_| true);
        let mut usage = table.usage();
        if self.former_clients.last.is_some() || usage.problem().is_some() {
            table = self.former_clients_table(services, share, |words| !is_free(words));
            usage = table.usage();
        }
        let stands = |last: Owner| share.check(last, table.used_by(last), 1).err();
        usage.standing = self.former_clients.last.and_then(stands);
        usage.refused = self.former_clients.refused;
        (self.spec.name.clone(), usage)
    }

    /// Clients that left and satisfy `keeps`, plus evicted clients.
    fn former_clients_table(
        &self,
        services: &Services,
        share: Share,
        keeps: impl Fn(&AttachmentMemory) -> bool,
    ) -> Table {
        let evicted = self.core.evicted_clients().map(|it| {
            let who = &it.attachment.who;
            (who.uid, who.pid)
        });
        let left = self
            .memory_left_behind(services)
            .filter(|words| keeps(words));
        let left =
            left.filter_map(|words| self.former_clients.of.get(&words.attachment()).copied());
        let mut table = Table::new(share);
        for (uid, pid) in evicted.chain(left) {
            table.count(uid, pid);
        }
        table
    }

    fn memory_left_behind<'a>(
        &'a self,
        services: &'a Services,
    ) -> impl Iterator<Item = &'a AttachmentMemory> {
        let in_pending_reclaim = services.pending_reclaim.memory_of_former_clients(self.id);
        self.core
            .retired()
            .words
            .iter()
            .map(|words| &**words)
            .chain(in_pending_reclaim)
    }
}
