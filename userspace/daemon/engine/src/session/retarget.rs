//! Gives the session other addresses, or its packets another timing: at once, or through its poller between two frames.
//!
//! A running receiver has the new flow and group before it gives up the old ones, so that the frame
//! in transit is complete.

use crate::services::reply::Reply;
use onair_api::{
    DescriptionNote, Direction, EventKind, Flow, NextFlow, Problem, ProblemCode, SessionSpec,
    SessionView, SpecError,
};
use onair_dataplane::{Command, MediaClock, Runtime, SwitchTime};
use onair_essence::Format;
use onair_ipc::event::EventKind as ClientEvent;
use onair_session::{RetargetBusy, RetargetEvent, RetargetStep, RuntimeHolder, RuntimePlace};

use super::{Session, convert, converted, legs};
use crate::services::Services;

/// Addresses and timing that the session gets.
#[derive(Clone, Debug)]
pub struct Next {
    pub(super) flow: Flow,
    /// That of the session, sent in another way.
    format: Format,
    notes: Vec<DescriptionNote>,
    connected: Option<String>,
    when: RetargetTime,
}

impl Next {
    /// It as the API shows it.
    pub(super) fn view(&self) -> NextFlow {
        NextFlow {
            destination: self.flow.destination.to_string(),
            at_tai_ns: self.when.tai_ns(),
        }
    }
}

/// When a session changes. Times are of TAI, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetargetTime {
    /// After the unit in transit.
    Next,
    /// With the unit that begins at this time, which is near: the request is answered afterwards.
    With(u64),
    /// With the unit that begins at this time, which the request named: it is answered before.
    At(u64),
}

/// Longest time that a change may be ahead.
const AHEAD_NS: u64 = 10_000_000_000;

impl RetargetTime {
    /// The time that a request names, at `now_ns` of the same clock.
    ///
    /// # Errors
    /// `invalid_request`: too far ahead.
    pub fn named(at_tai_ns: Option<u64>, now_ns: u64) -> Result<Self, Problem> {
        match at_tai_ns {
            None => Ok(Self::Next),
            Some(at) if at.saturating_sub(now_ns) <= AHEAD_NS => Ok(Self::At(at)),
            Some(_) => {
                let problem =
                    "is more than 10 s ahead of the daemon's clock: ask nearer to that time";
                Err(SpecError::new("at_tai_ns", problem).into())
            }
        }
    }

    const fn tai_ns(self) -> Option<u64> {
        match self {
            Self::Next => None,
            Self::With(at) | Self::At(at) => Some(at),
        }
    }

    /// When a poller may change the session. The unit that begins at the time may come a moment early, and the one before
    /// it ends a moment before.
    fn switch_time(self, clock: &MediaClock, format: &Format) -> SwitchTime {
        let margin_ns = format.period_ns(1) / 8;
        let at_ns = self.tai_ns().unwrap_or(0).saturating_sub(clock.ahead_ns());
        SwitchTime {
            from_ns: at_ns.saturating_sub(margin_ns),
            unit_tai_ns: self.tai_ns(),
        }
    }
}

impl Session {
    /// Whether the session can have the addresses of `spec`, which is its own otherwise.
    ///
    /// # Errors
    /// `invalid_spec`; `draining`; `poller_down`; `dataplane_busy`: it changes already.
    pub fn check_retarget(&self, services: &Services, spec: &SessionSpec) -> Result<(), Problem> {
        converted::check_has_packets(&self.spec)?;
        let mut ports = services.machine.dataplane().ports().iter();
        if let Some(port) = ports.find(|port| port.name == spec.port) {
            let second = legs::second_port(spec, port, services)?;
            convert::check_addresses(spec, port, second)?;
            convert::check_timing(spec, (port, second), services.machine.dataplane().clock())?;
        }
        self.check_not_draining()?;
        self.check_poller(services)?;
        let changes = self.retarget.check();
        changes.map_err(|busy| refusal(&self.spec, busy))
    }

    /// Changes to the addresses and the timing of `spec`, which were checked. Returns the reply if that
    /// is done; else a later [`Self::change`] returns it, or one that no requester reads if the request named a time.
    pub fn retarget(
        &mut self,
        services: &mut Services,
        (spec, when): (SessionSpec, RetargetTime),
        reply: Reply<SessionView>,
    ) -> Option<Reply<SessionView>> {
        let asked = RetargetEvent::Asked {
            next: Next {
                flow: spec.flow,
                format: spec.format,
                notes: spec.notes,
                connected: spec.connected,
                when,
            },
            later: match when {
                RetargetTime::At(_) => Some(Reply::unread()),
                RetargetTime::Next | RetargetTime::With(_) => None,
            },
            place: match self.core.place() {
                RuntimeHolder::Here(_) => RuntimePlace::Here,
                RuntimeHolder::Returning => RuntimePlace::Returning,
                RuntimeHolder::Poller => RuntimePlace::Poller,
            },
            receives: self.spec.direction == Direction::Receive,
            reply,
        };
        self.change(services, asked, None)
    }

    /// Nothing waits for a change by a poller that is lost.
    pub fn refuse_lost_retarget(&mut self, services: &mut Services) {
        if services.is_poller_lost(self.home.poller()) {
            // No requester reads the answer that may come later.
            let later = Reply::unread();
            let done = self.change(services, RetargetEvent::Stalled(later), None);
            debug_assert!(done.is_none(), "a lost poller has done nothing");
        }
    }

    /// Does what follows from an event of a change. `runtime` is the session's own, if the core does not have it.
    pub fn change(
        &mut self,
        services: &mut Services,
        event: RetargetEvent<Next, Reply<SessionView>>,
        mut runtime: Option<&mut Runtime>,
    ) -> Option<Reply<SessionView>> {
        let target = |next: &Next| convert::target(&next.flow, &next.format);
        let (session, poller) = (self.id.0, self.home.poller());
        let mut done = None;
        for step in self.retarget.handle(event) {
            match step {
                RetargetStep::Join(next) => self.flows().join_next(services, &next.flow),
                RetargetStep::Command(next) => {
                    let clock = services.machine.dataplane().clock();
                    let at = next.when.switch_time(clock, &next.format);
                    let command = Command::Retarget {
                        session,
                        target: Box::new(target(&next)),
                        at,
                    };
                    services.command(poller, command);
                }
                RetargetStep::Change(next) => match (runtime.as_deref_mut(), self.core.place()) {
                    (Some(runtime), _) | (None, RuntimeHolder::Here(runtime)) => {
                        runtime.set_target(target(&next));
                    }
                    (None, RuntimeHolder::Returning | RuntimeHolder::Poller) => {}
                },
                RetargetStep::Adopt(next) => self.adopt(services, next),
                RetargetStep::Accept(reply) => reply.send(Ok(self.shown().view())),
                RetargetStep::Answer(reply) => done = Some(reply),
                RetargetStep::Refuse(reply, busy) => {
                    let down = services.check_poller(poller).err();
                    reply.send(Err(down.unwrap_or_else(|| refusal(&self.spec, busy))));
                }
            }
        }
        done
    }

    /// The session has the addresses and the timing of `next`, and gives up the others.
    fn adopt(&mut self, services: &mut Services, next: Next) {
        let Next {
            flow,
            format,
            notes,
            connected,
            ..
        } = next;
        self.spec.format = format;
        self.spec.notes = notes;
        self.spec.connected = connected;
        if self.spec.flow.destinations().ne(flow.destinations()) {
            self.rejoin.end();
        }
        let retargeted = EventKind::SessionRetargeted {
            from: self.spec.flow.destination.to_string(),
            to: flow.destination.to_string(),
            sources: match self.spec.direction {
                Direction::Receive | Direction::Local => {
                    flow.accepted().map(|it| it.to_string()).collect()
                }
                Direction::Send => Vec::new(),
            },
        };
        self.spec.flow = flow;
        self.home.retake_room(services, &self.spec, self.owner.uid);
        let destination = self.spec.flow.destination;
        let mut ports = services.machine.dataplane().ports().iter();
        let port = ports.find(|port| port.name == self.spec.port);
        self.is_broadcast = port.is_some_and(|port| port.addresses.is_broadcast(destination.ip()));
        self.flows().keep(services);
        self.settle_groups(services);
        self.traffic.note_retarget(self.clock.wall());
        self.publish(services, self.requested_by, retargeted);
        for attachment in self.core.clients().attached() {
            attachment.memory.notify(ClientEvent::Retargeted, 0);
        }
    }
}

fn refusal(spec: &SessionSpec, busy: RetargetBusy) -> Problem {
    let detail = format!("session {} {busy}: try again", spec.name);
    Problem::new(ProblemCode::DataplaneBusy, detail)
}
