//! The poller of a session's runtime, and the capacity that it takes there.

use onair_api::{Problem, SessionSpec};
use onair_dataplane::Placement;
use onair_mutant::mutant;
use onair_shares::{Owner, Rank};

use super::super::legs;
use crate::services::Services;
use crate::services::rooms::{Admission, Need, Room};

/// The poller of a session, and its room there. A session that is placed has the room for what it is, until
/// it is quarantined.
#[derive(Debug)]
pub(crate) struct Home {
    placement: Placement,
    /// Its part of the poller's capacity; `None` before it has taken it, and once it is quarantined.
    pub(in crate::session) room: Option<Room>,
    /// Name of the poller, for reports.
    name: String,
}

impl Home {
    pub(in crate::session) fn new(services: &Services, placement: Placement) -> Self {
        Self {
            name: services.poller_name(placement.poller()),
            placement,
            room: None,
        }
    }

    /// Name of the poller.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Number of the poller.
    pub(in crate::session) fn poller(&self) -> usize {
        self.placement.poller()
    }

    /// Rate that it sends or receives there, in bytes a second.
    pub(in crate::session) fn bytes_per_second(&self) -> u64 {
        self.placement.bytes_per_second()
    }

    /// Whether the poller serves.
    pub(crate) fn is_live(&self, services: &Services) -> bool {
        services.serves(self.poller())
    }

    /// Another poller has it from now on. The room is taken there by [`Self::retake_room`].
    pub(in crate::session) fn change(&mut self, services: &Services, placement: Placement) {
        self.name = services.poller_name(placement.poller());
        self.placement = placement;
    }

    /// Takes the room of a session of `spec`, if there is as much for `owner` or it need not be checked.
    ///
    /// # Errors
    /// `poller_full`.
    pub(crate) fn take_room(
        &mut self,
        services: &Services,
        spec: &SessionSpec,
        owner: Owner,
        admission: Admission,
    ) -> Result<(), Problem> {
        let (need, poller) = (Need::of(spec), self.poller());
        let checked = services.rooms.check(services.capacity(poller), owner, need);
        let may_overcommit = matches!(owner.rank, Rank::Root | Rank::Operator);
        match checked {
            Err(problem)
                if admission == Admission::Restored || spec.overcommit && may_overcommit =>
            {
                let (lines, now) = (&services.lines.sessions, services.machine.now());
                if let Some(more) = lines.note_caused(owner.uid, now) {
                    let session = &spec.name;
                    tracing::warn!(%session, more, "overcommitted: {}", problem.detail);
                }
            }
            checked => checked?,
        }
        self.room = Some(services.rooms.take(poller, owner.uid, need));
        Ok(())
    }

    /// Whether there is room for what a session of `before` needs more with the timing of `spec`. `by` asks for it, and
    /// `uid` is charged.
    ///
    /// # Errors
    /// `poller_full`.
    pub(crate) fn check_room(
        &self,
        services: &Services,
        (by, uid): (Owner, u32),
        before: &SessionSpec,
        spec: &SessionSpec,
    ) -> Result<(), Problem> {
        if spec.overcommit && matches!(by.rank, Rank::Root | Rank::Operator) {
            return Ok(());
        }
        let more = Need::of(spec).more_than(Need::of(before));
        let charged = Owner { uid, ..by };
        let capacity = services.capacity(self.poller());
        services.rooms.check(capacity, charged, more)
    }

    /// Takes the room for what it is now, where it is now, in place of what it had.
    pub(in crate::session) fn retake_room(
        &mut self,
        services: &Services,
        spec: &SessionSpec,
        uid: u32,
    ) {
        let (need, poller) = (Need::of(spec), self.poller());
        self.room = Some(services.rooms.take(poller, uid, need));
    }

    /// A session of `spec` gets another poller. One of packets stays if no other poller of its port works.
    ///
    /// # Errors
    /// `poller_down`: a local or converted session, and no poller works.
    pub(crate) fn leave(
        &mut self,
        services: &mut Services,
        spec: &SessionSpec,
        uid: u32,
    ) -> Result<(), Problem> {
        if !spec.has_packets() {
            let placed = services.place_local()?;
            self.change(services, placed);
            return Ok(());
        }
        let bytes = self.bytes_per_second();
        // Of two legs, both ports must be that poller's.
        if let Ok(port) = services.port_named(&spec.port)
            && let Ok(second) = legs::second_port(spec, port, services)
            && let second = second.filter(|_| !mutant!("restart: the second leg needs no poller"))
            && let Ok(placed) = super::super::place(spec, (port, second), bytes, services)
        {
            self.change(services, placed);
            self.retake_room(services, spec, uid);
        }
        Ok(())
    }
}
