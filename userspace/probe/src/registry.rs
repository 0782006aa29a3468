//! Who may be counted: the user-space side of the maps `attachments` and `clients`.

use std::collections::{BTreeMap, HashMap};

use onair_ebpf::layout::{Attachment, AttachmentKey, BLOCKED_SLOTS, CANARY_SESSION, Client};
use onair_ebpf::names;

use crate::canary::Proof;
use crate::error::ProbeError;
use crate::maps::{Maps, is_full};

#[derive(Clone, Copy)]
struct KnownClient {
    start_boottime: u64,
    attachments: usize,
}

/// Registrations of this daemon.
#[derive(Default)]
pub(crate) struct Registry {
    /// By session, then process: its start time.
    sessions: BTreeMap<u64, HashMap<u32, u64>>,
    clients: HashMap<u32, KnownClient>,
    /// Index by session; outlives the last attachment, whose threads may still be inside.
    index_of: HashMap<u64, u32>,
    session_at: HashMap<u32, u64>,
}

impl Registry {
    /// Registers a process for a session.
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
        match self
            .sessions
            .get(&session)
            .and_then(|processes| processes.get(&tgid))
        {
            Some(&start) if start == proof.start_boottime => {
                return Err(ProbeError::Registered { tgid, session });
            }
            // Left by a process of the same number that is dead by now.
            Some(_) => self.unregister(maps, tgid, session)?,
            None => {}
        }
        self.add_client(maps, proof)?;
        let value = Attachment {
            attachment,
            start_boottime: proof.start_boottime,
            lost: 0,
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
            .insert(tgid, proof.start_boottime);
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

    /// Ends the counting of new waits; those inside stay counted until they leave.
    pub(crate) fn unregister(
        &mut self,
        maps: &Maps,
        tgid: u32,
        session: u64,
    ) -> Result<(), ProbeError> {
        let Some(processes) = self.sessions.get_mut(&session) else {
            return Ok(());
        };
        if processes.remove(&tgid).is_none() {
            return Ok(());
        }
        if processes.is_empty() {
            self.sessions.remove(&session);
        }
        let removed = maps.remove_attachment(&key(tgid, session));
        self.remove_client(maps, tgid)?;
        removed.map_err(ProbeError::map(names::ATTACHMENTS))
    }

    fn add_client(&mut self, maps: &Maps, proof: &Proof) -> Result<(), ProbeError> {
        let start_boottime = proof.start_boottime;
        let client = self.clients.get(&proof.tgid).copied();
        // A process of the same number that is dead by now: from here on the living one is told of.
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

    /// Where a session is counted, if it ever had an attachment.
    pub(crate) fn index_of(&self, session: u64) -> Option<u32> {
        self.index_of.get(&session).copied()
    }

    /// Threads inside a session that found no room in the map.
    pub(crate) fn lost_in(&self, maps: &Maps, session: u64) -> Result<u64, aya::maps::MapError> {
        let Some(processes) = self.sessions.get(&session) else {
            return Ok(0);
        };
        processes.keys().try_fold(0, |lost, &tgid| {
            Ok(lost
                + maps
                    .attachment(&key(tgid, session))?
                    .map_or(0, |value| value.lost))
        })
    }

    /// The same over all sessions.
    pub(crate) fn lost(&self, maps: &Maps) -> Result<u64, aya::maps::MapError> {
        self.sessions
            .keys()
            .try_fold(0, |lost, &session| Ok(lost + self.lost_in(maps, session)?))
    }
}

fn key(tgid: u32, session: u64) -> AttachmentKey {
    AttachmentKey {
        tgid,
        pad: 0,
        session,
    }
}
