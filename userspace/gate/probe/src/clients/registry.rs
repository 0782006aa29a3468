//! Processes that may be counted: the user-space side of the maps `attachments` and `clients`.

use std::collections::{BTreeMap, HashMap};

use onair_ebpf::layout::{Attachment, AttachmentKey, BLOCKED_SLOTS, CANARY_SESSION, Client};
use onair_ebpf::names;

use crate::canary::Proof;
use crate::error::ProbeError;
use crate::programs::maps::{Maps, is_full};

#[derive(Clone, Copy)]
struct KnownClient {
    start_boottime: u64,
    attachments: usize,
}

/// A process in a session.
struct Registered {
    start_boottime: u64,
    /// Its attachments, the oldest first; waits count for the last one. There are several while one
    /// that has hung up is not settled yet, and the process is attached again.
    attachments: Vec<u64>,
}

/// Registrations of this daemon.
#[derive(Default)]
pub(crate) struct Registry {
    /// By session, then process.
    sessions: BTreeMap<u64, HashMap<u32, Registered>>,
    clients: HashMap<u32, KnownClient>,
    /// Index by session. It outlives the last attachment, whose threads may still be inside.
    index_of: HashMap<u64, u32>,
    session_at: HashMap<u32, u64>,
}

impl Registry {
    /// Registers a process for a session. A present attachment of the process stays registered; the
    /// new one takes over the counting.
    pub(crate) fn register(
        &mut self,
        maps: &Maps,
        proof: &Proof,
        session: u64,
        attachment: u64,
        index: u32,
    ) -> Result<(), ProbeError> {
        self.check_index(maps, session, index)?;
        let tgid = proof.tgid;
        let known = self
            .sessions
            .get(&session)
            .and_then(|processes| processes.get(&tgid));
        let lost = match known {
            None => 0,
            Some(known) if known.start_boottime != proof.start_boottime => {
                // Left behind by a dead process with the same number.
                for dead in known.attachments.clone() {
                    self.unregister(maps, tgid, session, dead)?;
                }
                0
            }
            Some(known) if known.attachments.contains(&attachment) => {
                return Err(ProbeError::Registered { tgid, session });
            }
            // Its lost threads are still inside.
            Some(_) => lost_of(maps, tgid, session).map_err(ProbeError::map(names::ATTACHMENTS))?,
        };
        self.add_client(maps, proof)?;
        let value = Attachment {
            attachment,
            start_boottime: proof.start_boottime,
            lost,
            inside: 0,
            index,
            pad: 0,
        };
        if let Err(error) = maps.set_attachment(&key(tgid, session), &value) {
            self.remove_client(maps, tgid)?;
            return Err(if is_full(&error) {
                ProbeError::NoRoom {
                    what: "attachments",
                    limit: maps.max_attachments(),
                }
            } else {
                ProbeError::map(names::ATTACHMENTS)(error)
            });
        }
        self.sessions
            .entry(session)
            .or_default()
            .entry(tgid)
            .or_insert(Registered {
                start_boottime: proof.start_boottime,
                attachments: Vec::new(),
            })
            .attachments
            .push(attachment);
        if let Some(before) = self.session_at.insert(index, session)
            && before != session
        {
            self.index_of.remove(&before);
        }
        self.index_of.insert(session, index);
        Ok(())
    }

    fn check_index(&self, maps: &Maps, session: u64, index: u32) -> Result<(), ProbeError> {
        if index >= BLOCKED_SLOTS || session == CANARY_SESSION {
            return Err(ProbeError::IndexRange {
                index,
                limit: BLOCKED_SLOTS,
            });
        }
        if let Some(&known) = self.index_of.get(&session)
            && known != index
        {
            return Err(ProbeError::IndexTaken {
                index: known,
                owner: session,
            });
        }
        let Some(&owner) = self.session_at.get(&index) else {
            return Ok(());
        };
        let counted = maps
            .blocked(index)
            .map_err(ProbeError::map(names::BLOCKED))?;
        if owner != session && (self.sessions.contains_key(&owner) || counted != 0) {
            return Err(ProbeError::IndexTaken { index, owner });
        }
        Ok(())
    }

    /// Stops counting new waits under an attachment; waits in progress stay counted until they end.
    /// Another attachment of the process to the session stays registered.
    pub(crate) fn unregister(
        &mut self,
        maps: &Maps,
        tgid: u32,
        session: u64,
        attachment: u64,
    ) -> Result<(), ProbeError> {
        let Some(processes) = self.sessions.get_mut(&session) else {
            return Ok(());
        };
        let Some(known) = processes.get_mut(&tgid) else {
            return Ok(());
        };
        let Some(at) = known.attachments.iter().position(|&it| it == attachment) else {
            return Ok(());
        };
        known.attachments.remove(at);
        let start_boottime = known.start_boottime;
        let changed = match known.attachments.get(at) {
            // It was not the last attachment: no wait is counted under it.
            Some(_) => Ok(()),
            None => match known.attachments.last().copied() {
                Some(heir) => self.hand_over(maps, tgid, session, heir, start_boottime),
                None => {
                    processes.remove(&tgid);
                    if processes.is_empty() {
                        self.sessions.remove(&session);
                    }
                    maps.remove_attachment(&key(tgid, session))
                }
            },
        };
        self.remove_client(maps, tgid)?;
        changed.map_err(ProbeError::map(names::ATTACHMENTS))
    }

    /// Counts the waits of a process under `heir` from now on.
    fn hand_over(
        &self,
        maps: &Maps,
        tgid: u32,
        session: u64,
        heir: u64,
        start_boottime: u64,
    ) -> Result<(), aya::maps::MapError> {
        let value = Attachment {
            attachment: heir,
            start_boottime,
            lost: lost_of(maps, tgid, session)?,
            inside: 0,
            index: self.index_of(session).unwrap_or_default(),
            pad: 0,
        };
        maps.set_attachment(&key(tgid, session), &value)
    }

    fn add_client(&mut self, maps: &Maps, proof: &Proof) -> Result<(), ProbeError> {
        let start_boottime = proof.start_boottime;
        let client = self.clients.get(&proof.tgid).copied();
        // The entry belongs to a dead process with the same number: from here on events are for the
        // living one.
        if client.is_none_or(|client| client.start_boottime != start_boottime) {
            maps.set_client(proof.tgid, Client { start_boottime })
                .map_err(|error| {
                    if is_full(&error) {
                        ProbeError::NoRoom {
                            what: "client processes",
                            limit: maps.max_attachments(),
                        }
                    } else {
                        ProbeError::map(names::CLIENTS)(error)
                    }
                })?;
        }
        let attachments = client.map_or(0, |client| client.attachments) + 1;
        self.clients.insert(
            proof.tgid,
            KnownClient {
                start_boottime,
                attachments,
            },
        );
        Ok(())
    }

    fn remove_client(&mut self, maps: &Maps, tgid: u32) -> Result<(), ProbeError> {
        let Some(client) = self.clients.get_mut(&tgid) else {
            return Ok(());
        };
        client.attachments -= 1;
        if client.attachments > 0 {
            return Ok(());
        }
        self.clients.remove(&tgid);
        maps.remove_client(tgid)
            .map_err(ProbeError::map(names::CLIENTS))
    }

    /// Index of a session, if it ever had an attachment.
    pub(crate) fn index_of(&self, session: u64) -> Option<u32> {
        self.index_of.get(&session).copied()
    }

    /// Whether a session has attachments, and none of them counts a thread, listed or lost.
    pub(crate) fn is_empty(&self, maps: &Maps, session: u64) -> Result<bool, aya::maps::MapError> {
        let Some(processes) = self.sessions.get(&session) else {
            return Ok(false);
        };
        for &tgid in processes.keys() {
            let value = maps.attachment(&key(tgid, session))?;
            if value.is_none_or(|value| value.inside > 0 || value.lost > 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Threads inside a session that are missing from the full map.
    pub(crate) fn lost_in(&self, maps: &Maps, session: u64) -> Result<u64, aya::maps::MapError> {
        let Some(processes) = self.sessions.get(&session) else {
            return Ok(0);
        };
        processes
            .keys()
            .try_fold(0, |lost, &tgid| Ok(lost + lost_of(maps, tgid, session)?))
    }

    /// The same over all sessions.
    pub(crate) fn lost(&self, maps: &Maps) -> Result<u64, aya::maps::MapError> {
        self.sessions
            .keys()
            .try_fold(0, |lost, &session| Ok(lost + self.lost_in(maps, session)?))
    }
}

/// Threads of a process inside a session that are missing from the full map.
fn lost_of(maps: &Maps, tgid: u32, session: u64) -> Result<u64, aya::maps::MapError> {
    let value = maps.attachment(&key(tgid, session))?;
    Ok(value.map_or(0, |value| value.lost))
}

fn key(tgid: u32, session: u64) -> AttachmentKey {
    AttachmentKey {
        tgid,
        pad: 0,
        session,
    }
}
