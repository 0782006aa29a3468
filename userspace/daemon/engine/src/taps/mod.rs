//! The taps of recordings and snapshots: puts them into sessions and takes them out, as
//! [`crate::recorder`] and [`crate::snapshots`] decide. Not here: threads, files.

mod recordings;
mod snapshots;

use crate::recorder::Recorder;
use crate::services::Services;
use crate::services::reply::Reply;
use crate::session::Untapped;
use crate::sessions::Sessions;
use crate::snapshots::Snapshots;

/// The recordings and the snapshots, with the sessions that have their taps.
#[derive(Debug)]
pub struct Taps<'a> {
    /// Services that all sessions share.
    pub services: &'a mut Services,
    /// The sessions.
    pub sessions: &'a mut Sessions,
    /// The recordings.
    pub recorder: &'a mut Recorder,
    /// The snapshots, each with its requester.
    pub snapshots: &'a mut Snapshots<Reply<Vec<u8>>>,
    /// The sessions are being ended.
    pub is_shutdown: bool,
}

impl Taps<'_> {
    /// Takes a tap from its session, if it is here; if a poller has it, `ask` requests it back.
    fn untap(&mut self, session: u64, tap: u64, ask: bool) -> Untapped {
        let session = self.sessions.any_mut(session);
        session.map_or(Untapped::Nowhere, |mut it| {
            it.untap(self.services, tap, ask)
        })
    }
}
