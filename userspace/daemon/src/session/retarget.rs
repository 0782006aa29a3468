//! Gives the session other addresses, or its packets another timing: at once, or through its poller between two frames.
//!
//! A running receiver has the new flow and group before it gives up the old ones, so that the frame
//! in transit is complete.

use crate::services::reply::Reply;
use onair_api::{Direction, EventKind, Flow, Problem, ProblemCode, SessionSpec, SessionView};
use onair_dataplane::{Command, Runtime};
use onair_essence::Format;
use onair_session::Place;

use super::{Session, convert};
use crate::services::Services;

/// Addresses and timing that the session gets as soon as its poller is between two frames.
#[derive(Debug)]
pub(super) struct Retarget {
    next: Next,
    reply: Reply<SessionView>,
}

/// The part of a specification that changes.
#[derive(Debug)]
struct Next {
    flow: Flow,
    /// That of the session, sent in another way.
    format: Format,
}

impl Session {
    /// Whether the session can have the addresses of `spec`, which is its own otherwise.
    ///
    /// # Errors
    /// `invalid_spec`; `draining`; `dataplane_busy`: it is just stopping, or changes already.
    pub fn check_retarget(&self, services: &Services, spec: &SessionSpec) -> Result<(), Problem> {
        self.check_has_packets()?;
        let mut ports = services.dataplane.ports().iter();
        if let Some(port) = ports.find(|port| port.name == spec.port) {
            convert::check_addresses(spec, port)?;
            convert::check_timing(spec, port, services.dataplane.clock())?;
        }
        if self.core.is_draining() {
            let detail = format!("session {} is being destroyed", self.spec.name);
            return Err(Problem::new(ProblemCode::Draining, detail));
        }
        if self.retarget.is_some() {
            return Err(self.is_busy("is getting other addresses already"));
        }
        Ok(())
    }

    fn is_busy(&self, why: &str) -> Problem {
        let detail = format!("session {} {why}: try again", self.spec.name);
        Problem::new(ProblemCode::DataplaneBusy, detail)
    }

    /// Changes to the addresses and the timing of `spec`, which were checked. Returns the reply if that is done;
    /// else [`Self::retargeted`] or [`Self::retarget_here`] returns it.
    pub fn retarget(
        &mut self,
        services: &mut Services,
        spec: SessionSpec,
        reply: Reply<SessionView>,
    ) -> Option<Reply<SessionView>> {
        let target = convert::target(&spec.flow, &spec.format);
        let next = Next {
            flow: spec.flow,
            format: spec.format,
        };
        match self.core.place() {
            Place::Here(runtime) => {
                runtime.set_target(target);
                self.adopt(services, next);
                return Some(reply);
            }
            Place::Returning => reply.send(Err(self.is_busy("is just stopping"))),
            Place::Poller => {
                let poller = self.placement.poller();
                if self.spec.direction == Direction::Receive {
                    let plane = &mut services.dataplane;
                    if !plane.claim(&self.spec.port, target.received(), poller, self.id.0) {
                        reply.send(Err(self.is_busy("cannot have this flow yet")));
                        return None;
                    }
                    self.join_next_group(services, &next.flow);
                }
                let session = self.id.0;
                let target = Box::new(target);
                services.command(poller, Command::Retarget { session, target });
                self.retarget = Some(Retarget { next, reply });
            }
        }
        None
    }

    /// Joins the group of `next`. If it is the present one, for the sources of both.
    fn join_next_group(&self, services: &mut Services, next: &Flow) {
        let Some(group) = next.group() else {
            return;
        };
        let of = |flow: &Flow| flow.accepted().map(|it| it.address).collect::<Vec<_>>();
        let (mut sources, present) = (of(next), of(&self.spec.flow));
        if self.spec.flow.group() == Some(group) {
            if sources.is_empty() || present.is_empty() {
                sources.clear();
            } else {
                sources.extend(present);
            }
        }
        let plane = &mut services.dataplane;
        plane.join(&self.spec.port, self.id.0, group, &sources);
    }

    /// Addresses that the session is about to get.
    pub(super) fn next_flow(&self) -> Option<&Flow> {
        self.retarget.as_ref().map(|it| &it.next.flow)
    }

    /// The poller changed the addresses.
    pub fn retargeted(&mut self, services: &mut Services) -> Option<Reply<SessionView>> {
        let Retarget { next, reply } = self.retarget.take()?;
        self.adopt(services, next);
        Some(reply)
    }

    /// The session comes back from a poller that may not have changed the addresses.
    pub fn retarget_here(
        &mut self,
        services: &mut Services,
        runtime: &mut Runtime,
    ) -> Option<Reply<SessionView>> {
        let Next { flow, format } = &self.retarget.as_ref()?.next;
        runtime.set_target(convert::target(flow, format));
        self.retargeted(services)
    }

    /// The session has the addresses and the timing of `next`, and gives up the others.
    fn adopt(&mut self, services: &mut Services, next: Next) {
        let Next { flow, format } = next;
        self.spec.format = format;
        let retargeted = EventKind::SessionRetargeted {
            from: self.spec.flow.destination.to_string(),
            to: flow.destination.to_string(),
            sources: match self.spec.direction {
                Direction::Receive => flow.accepted().map(|it| it.to_string()).collect(),
                Direction::Send => Vec::new(),
            },
        };
        self.spec.flow = flow;
        let (id, destination) = (self.id.0, self.spec.flow.destination);
        let mut ports = services.dataplane.ports().iter();
        let port = ports.find(|port| port.name == self.spec.port);
        self.is_broadcast = port.is_some_and(|port| port.is_broadcast(*destination.ip()));
        let plane = &mut services.dataplane;
        let target = convert::target(&self.spec.flow, &self.spec.format);
        plane.release(&self.spec.port, id, Some(target.received()));
        self.join_group(services);
        services.dataplane.part(id, self.spec.flow.group());
        self.traffic.group = self.group_membership(services);
        self.publish(services, retargeted);
    }
}
