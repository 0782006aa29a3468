//! Pictures of sessions on request: taps the session, and answers when the picture is made.

use std::collections::BTreeMap;

use crate::services::reply::Reply;
use onair_api::operations::ShowPicture;
use onair_api::{Problem, ProblemCode, SessionState};
use onair_dataplane::Tap;
use onair_pixels::FrameStream;
use onair_probe::share::{Owner, Share, Table, Usage};

use super::operators::shutting_down;
use crate::control::action::Asked;
use crate::control::actor::Actor;
use crate::session::Untapped;
use crate::snapshot::{self, NoPicture};

/// The snapshots that are under way.
#[derive(Debug)]
pub(crate) struct Snapshots {
    under_way: BTreeMap<u64, Snapshot>,
    /// Those that are over and whose tap is still with a poller, with their session.
    tapped: BTreeMap<u64, u64>,
    places: Table,
}

#[derive(Debug)]
struct Snapshot {
    session: u64,
    owner: Owner,
    reply: Reply<Vec<u8>>,
}

impl Snapshots {
    pub(crate) fn new(share: Share) -> Self {
        Self {
            under_way: BTreeMap::new(),
            tapped: BTreeMap::new(),
            places: Table::new(share),
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.places.usage()
    }

    /// A poller sent the tap of a recording or of a snapshot back.
    pub(crate) fn tapped_no_more(&mut self, id: u64) {
        self.tapped.remove(&id);
    }
}

impl Actor {
    pub(crate) fn show_picture(&mut self, asked: Asked<ShowPicture>) {
        let owner = asked.caller.owner();
        let found = self.find(&asked.caller, &asked.target);
        let begun = found.and_then(|session| self.begin_snapshot(session, owner));
        if let Some(((id, session), reply)) = asked.reply.or_refuse(begun) {
            let snapshot = Snapshot {
                session,
                owner,
                reply,
            };
            self.snapshots.under_way.insert(id, snapshot);
        }
    }

    fn begin_snapshot(&mut self, id: u64, owner: Owner) -> Result<(u64, u64), Problem> {
        if self.shutdown.is_shutting_down() {
            return Err(shutting_down());
        }
        let mut session = self.sessions.get_mut(id).expect("just found");
        session.check_has_packets()?;
        let state = session.state();
        if state != SessionState::Running {
            return Err(NoPicture::Stopped(state).into());
        }
        let spec = &session.spec;
        let stream = FrameStream {
            format: &spec.format.clone(),
            payload_type: spec.flow.payload_type,
            timeout_ns: spec.frame_timeout_ns(),
        };
        let places = &mut self.snapshots.places;
        let taken = places.take(owner);
        taken.map_err(|full| Problem::new(ProblemCode::LimitReached, full.to_string()))?;
        // The number of a recording that is never listed: a tap has one.
        let snapshot = self.recorder.next_id().0;
        match snapshot::begin(snapshot, &stream, &self.recorder.events) {
            Ok(producer) => {
                session.tap(&mut self.services, Tap::new(snapshot, producer));
                Ok((snapshot, id))
            }
            Err(problem) => {
                places.give_back(owner);
                Err(problem)
            }
        }
    }

    /// A picture is made, or there is none.
    pub(crate) fn pictured(&mut self, id: u64, result: Result<Vec<u8>, Box<Problem>>) {
        let Some(snapshot) = self.snapshots.under_way.remove(&id) else {
            return;
        };
        self.fetch_snapshot_tap(id, snapshot.session, true);
        self.snapshots.places.give_back(snapshot.owner);
        snapshot.reply.send(result.map_err(|problem| *problem));
    }

    /// Takes the tap of a snapshot that is over if it is here; else, with `ask`, has it sent back.
    fn fetch_snapshot_tap(&mut self, id: u64, session: u64, ask: bool) {
        let untapped = match self.sessions.any_mut(session) {
            Some(mut session) => session.untap(&mut self.services, id, ask),
            None => Untapped::Nowhere,
        };
        match untapped {
            Untapped::Awaited => {
                self.snapshots.tapped.insert(id, session);
            }
            Untapped::Here(_) | Untapped::Nowhere => {
                self.snapshots.tapped.remove(&id);
            }
        }
    }

    /// A session was handed back, and its taps with it.
    pub(crate) fn snapshot_taps_handed_back(&mut self, session: u64) {
        let tapped = self.snapshots.tapped.iter();
        let its = tapped.filter(|(_, of)| **of == session);
        let its: Vec<u64> = its.map(|(id, _)| *id).collect();
        for id in its {
            self.fetch_snapshot_tap(id, session, false);
        }
    }

    /// A poller refused a tap, which is with its session again.
    pub(crate) fn snapshot_tap_refused(&mut self, id: u64) {
        if let Some(session) = self.snapshots.tapped.remove(&id) {
            self.fetch_snapshot_tap(id, session, true);
        }
    }
}
