//! The pictures of running sessions that are under way, and their taps.
//!
//! A thread of the machine makes the picture, of the packets that a tap gives it.

use std::collections::BTreeMap;

use onair_api::{Problem, ProblemCode, SessionState};
use onair_shares::{Owner, Share, Table, Usage};

/// Snapshots, by id. `R` is what a requester gets its answer by.
#[derive(Debug)]
pub struct Snapshots<R> {
    under_way: BTreeMap<u64, Snapshot<R>>,
    /// Snapshots that are over and whose tap is still with a poller, with their session.
    tapped: BTreeMap<u64, u64>,
    places: Table,
}

#[derive(Debug)]
struct Snapshot<R> {
    session: u64,
    owner: Owner,
    reply: R,
}

/// A tap to take from its session if it is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedTap {
    /// Id of the snapshot.
    pub snapshot: u64,
    /// Its session.
    pub session: u64,
    /// If a poller has it, ask for it. Else it comes back by itself.
    pub ask: bool,
}

impl<R> Snapshots<R> {
    /// None. `share` limits how many there are at a time.
    pub fn new(share: Share) -> Self {
        Self {
            under_way: BTreeMap::new(),
            tapped: BTreeMap::new(),
            places: Table::new(share),
        }
    }

    /// Places taken, for reports.
    pub fn usage(&self) -> Usage {
        self.places.usage()
    }

    /// Takes a place for a snapshot of a session in this state.
    ///
    /// # Errors
    /// `no_picture`: it does not run; `limit_reached`.
    pub fn take_place(&mut self, owner: Owner, state: SessionState) -> Result<(), Problem> {
        if state != SessionState::Running {
            let detail = format!("the session is {state}: only a running one has a picture");
            return Err(Problem::new(ProblemCode::NoPicture, detail));
        }
        let taken = self.places.take(owner);
        taken.map_err(|full| Problem::new(ProblemCode::LimitReached, full.to_string()))
    }

    /// The snapshot that has a place could not begin.
    pub fn not_begun(&mut self, owner: Owner) {
        self.places.give_back(owner);
    }

    /// The session has the tap of a snapshot that has a place.
    pub fn begun(&mut self, id: u64, session: u64, owner: Owner, reply: R) {
        let snapshot = Snapshot {
            session,
            owner,
            reply,
        };
        self.under_way.insert(id, snapshot);
    }

    /// A picture is made, or there is none: its place is free. The tap to fetch before the requester is answered.
    pub fn over(&mut self, id: u64) -> Option<(WantedTap, R)> {
        let snapshot = self.under_way.remove(&id)?;
        self.places.give_back(snapshot.owner);
        let tap = WantedTap {
            snapshot: id,
            session: snapshot.session,
            ask: true,
        };
        Some((tap, snapshot.reply))
    }

    /// A tap that was wanted is with a poller, or no session has it.
    pub fn looked_for(&mut self, tap: WantedTap, is_awaited: bool) {
        if is_awaited {
            self.tapped.insert(tap.snapshot, tap.session);
        } else {
            self.untapped(tap.snapshot);
        }
    }

    /// No session has this tap, of a recording or of a snapshot, any more.
    pub fn untapped(&mut self, id: u64) {
        self.tapped.remove(&id);
    }

    /// A session was handed back, and its taps with it: those to take.
    pub fn handed_back(&self, session: u64) -> Vec<WantedTap> {
        let its = self.tapped.iter().filter(|(_, of)| **of == session);
        its.map(|(id, _)| WantedTap {
            snapshot: *id,
            session,
            ask: false,
        })
        .collect()
    }

    /// A poller refused a tap, which is with its session again: to take if the snapshot is over.
    pub fn refused(&mut self, id: u64) -> Option<WantedTap> {
        let session = self.tapped.remove(&id)?;
        Some(WantedTap {
            snapshot: id,
            session,
            ask: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_settings::config::Limits;

    fn snapshots(limit: usize) -> Snapshots<&'static str> {
        let limits = Limits {
            snapshots: limit,
            ..Limits::default()
        };
        Snapshots::new(limits.snapshots_share())
    }

    fn tap(snapshot: u64, session: u64, ask: bool) -> WantedTap {
        WantedTap {
            snapshot,
            session,
            ask,
        }
    }

    fn begin(all: &mut Snapshots<&'static str>, id: u64, session: u64) {
        let owner = Owner::root(1);
        all.take_place(owner, SessionState::Running).unwrap();
        all.begun(id, session, owner, "reply");
    }

    #[test]
    fn place_is_taken_for_a_running_session_until_it_is_over() {
        let mut all = snapshots(1);
        let owner = Owner::root(1);
        let stopped = all.take_place(owner, SessionState::Stopped).unwrap_err();
        assert_eq!(stopped.code, ProblemCode::NoPicture);
        begin(&mut all, 1, 7);
        let full = all.take_place(owner, SessionState::Running).unwrap_err();
        assert_eq!(full.code, ProblemCode::LimitReached);
        assert_eq!(all.over(1), Some((tap(1, 7, true), "reply")));
        assert_eq!(all.over(1), None);
        all.take_place(owner, SessionState::Running).unwrap();
        all.not_begun(owner);
        begin(&mut all, 2, 7);
    }

    #[test]
    fn tap_with_a_poller_is_taken_when_its_session_is_back() {
        let mut all = snapshots(4);
        for (id, session) in [(1, 7), (2, 7), (3, 8)] {
            begin(&mut all, id, session);
        }
        // Only those that are over.
        assert_eq!(all.handed_back(7), []);
        for id in 1..=3 {
            let (tap, _) = all.over(id).unwrap();
            all.looked_for(tap, id != 2);
        }
        assert_eq!(all.handed_back(7), [tap(1, 7, false)]);
        // The session runs again already.
        all.looked_for(tap(1, 7, false), true);
        assert_eq!(all.handed_back(7), [tap(1, 7, false)]);
        all.looked_for(tap(1, 7, false), false);
        assert_eq!(all.handed_back(7), []);
        all.untapped(3);
        assert_eq!(all.handed_back(8), []);
    }

    #[test]
    fn refused_tap_is_asked_for_again_only_if_its_picture_is_over() {
        let mut all = snapshots(4);
        begin(&mut all, 1, 7);
        assert_eq!(all.refused(1), None);
        let (wanted, _) = all.over(1).unwrap();
        all.looked_for(wanted, true);
        assert_eq!(all.refused(1), Some(tap(1, 7, true)));
        assert_eq!(all.refused(1), None);
    }
}
