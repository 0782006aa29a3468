//! Staged parameters, and the changes that they make to a session.

use onair_api::{
    Direction, FlowPatch, LegPatch as FlowLegPatch, SessionPatch, SessionState, SessionView,
};
use onair_sdp::session::Text;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::leg::{self, Interface, Leg, LegPatch};
use super::patch::{Patch, TransportFile};
use super::refusal::Refusal;
use super::side::Side;

/// Parameters that an activation makes active.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Staged {
    /// The other end.
    pub(super) peer: Option<Uuid>,
    /// `master_enable`.
    pub(super) enable: bool,
    /// The description that the parameters are of, if one was given.
    pub(super) file: TransportFile,
    /// Changes of the session beside its addresses.
    described: SessionPatch,
    /// The parameters of each leg.
    pub(super) legs: Vec<Leg>,
}

/// The daemon's work for an activation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Whether the session runs then.
    pub(super) runs: bool,
    /// It does the opposite now.
    pub(super) turns: bool,
    /// Other addresses, and what else is described.
    pub(super) change: Option<Box<SessionPatch>>,
    /// It receives from these addresses already: it is to come to them again.
    pub(super) rejoins: bool,
}

impl Plan {
    /// Whether it is other addresses alone.
    pub(super) const fn only_changes(&self) -> bool {
        !self.turns && !self.rejoins && self.change.is_some()
    }

    /// All of it as one change of the session; `None`: no address changes, nor is one joined again.
    pub(super) fn patch(&self) -> Option<Box<SessionPatch>> {
        let change = self.change.clone();
        let mut patch = change.or_else(|| self.rejoins.then(Box::default))?;
        patch.running = self.turns.then_some(self.runs);
        patch.rejoin = self.rejoins;
        Some(patch)
    }
}

impl Staged {
    /// The active parameters, before any were staged.
    pub(super) fn of(view: &SessionView, interfaces: &[Interface]) -> Self {
        let side = Side::of(view.direction);
        Self {
            peer: None,
            enable: view.state == SessionState::Running,
            file: TransportFile::default(),
            described: SessionPatch::default(),
            legs: leg::of_flow(side, &view.flow, interfaces),
        }
    }

    /// The staged parameters after `patch`, all of it or nothing.
    pub(super) fn patched(
        &self,
        patch: &Patch<LegPatch>,
        view: &SessionView,
        interfaces: &[Interface],
    ) -> Result<Self, Refusal> {
        let mut next = self.clone();
        next.peer = patch.peer.unwrap_or(next.peer);
        next.enable = patch.enable.unwrap_or(next.enable);
        if let Some(file) = &patch.file {
            next.describe(file, view, interfaces)?;
        }
        let Some(changes) = &patch.legs else {
            return Ok(next);
        };
        if changes.len() != next.legs.len() {
            let problem = format!(
                "has {} legs, the session {}",
                changes.len(),
                next.legs.len()
            );
            return Err(Refusal::body("transport_params", problem));
        }
        let legs = next.legs.iter_mut().zip(changes).zip(interfaces);
        for (at, ((leg, change), interface)) in legs.enumerate() {
            leg.change(change.clone(), at, interface)?;
        }
        let sends = view.direction == Direction::Send;
        if sends && next.legs.len() > 1 && next.legs.iter().any(|it| !it.rtp_enabled) {
            let problem = "is false: a sender of two legs has both";
            return Err(Refusal::body("transport_params.rtp_enabled", problem));
        }
        Ok(next)
    }

    /// Takes the parameters of a description. Of one with one leg the receiver's second leg is off.
    fn describe(
        &mut self,
        file: &TransportFile,
        view: &SessionView,
        interfaces: &[Interface],
    ) -> Result<(), Refusal> {
        let (data, kind) = match (&file.data, &file.kind) {
            (None, None) => {
                (self.file, self.described) = Default::default();
                return Ok(());
            }
            (Some(data), Some(kind)) => (data, kind),
            _ => {
                let problem = "has one of data and type: give both, or both as null";
                return Err(Refusal::body("transport_file", problem));
            }
        };
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind != "application/sdp" {
            let problem = format!("is {kind:?}: only application/sdp is taken");
            return Err(Refusal::body("transport_file.type", problem));
        }
        let text = Text {
            name: "the description",
            bytes: data.as_bytes(),
        };
        let legs = (Direction::Receive, self.legs.len() > 1);
        let mut change = text.change(legs, &view.format)?;
        let flow = std::mem::take(&mut change.flow);
        let first = (
            flow.destination.as_deref(),
            one(&flow.source, &flow.sources),
        );
        let second = flow.second_leg.as_ref();
        let second = second.map(|it| (it.destination.as_deref(), one(&it.source, &it.sources)));
        let legs = self.legs.iter_mut().zip([Some(first), second]);
        for ((leg, described), interface) in legs.zip(interfaces) {
            match described {
                Some(described) => leg.describe(described, interface)?,
                None => leg.rtp_enabled = false,
            }
        }
        // The addresses are the parameters' now, which may change them.
        change.flow = FlowPatch {
            destination: None,
            source: None,
            sources: None,
            second_leg: flow.second_leg.clone().map(|it| FlowLegPatch {
                payload_type: it.payload_type,
                ..FlowLegPatch::default()
            }),
            ..flow
        };
        (self.file, self.described) = (file.clone(), change);
        Ok(())
    }

    /// The daemon's work to make these parameters active.
    pub(super) fn plan(&self, view: &SessionView, interfaces: &[Interface]) -> Plan {
        let side = Side::of(view.direction);
        let now = leg::of_flow(side, &view.flow, interfaces);
        let mut change = self.described.clone();
        let off = self.legs.iter().filter(|it| !it.rtp_enabled).count();
        let is_one_of_two = off > 0 && off < self.legs.len();
        let flows = self.legs.iter().zip(&now).zip(interfaces);
        let flows =
            flows.map(|((leg, now), interface)| leg.to_flow((now, is_one_of_two), interface));
        let mut flows = flows.map(|(to, from)| FlowLegPatch {
            destination: Some(to),
            source: Some(from),
            ..FlowLegPatch::default()
        });
        if let Some(first) = flows.next() {
            change.flow.destination = first.destination;
            change.flow.source = first.source;
        }
        let described = change.flow.second_leg.take();
        change.flow.second_leg = flows.next().map(|it| FlowLegPatch {
            payload_type: described.and_then(|it| it.payload_type),
            ..it
        });
        let is_running = view.state == SessionState::Running;
        let runs = self.enable && self.legs.iter().any(|it| it.rtp_enabled);
        let is_there = is_there(view, &change);
        let is_same = is_there && self.file == TransportFile::default();
        Plan {
            runs,
            turns: runs != is_running,
            change: (!is_same).then(|| Box::new(change)),
            rejoins: is_there && runs && is_running && side == Side::Receiver,
        }
    }
}

/// Whether the session has these addresses. Its several sources are the first of them, and stay.
fn is_there(view: &SessionView, change: &SessionPatch) -> bool {
    let (own, flow) = (&view.flow, &change.flow);
    let is_first = flow.destination.as_ref() == Some(&own.destination)
        && one(&flow.source, &None) == Some(leg::first(&own.source, &own.sources));
    let is_second = match (&own.second_leg, &flow.second_leg) {
        (Some(own), Some(leg)) => {
            leg.destination.as_ref() == Some(&own.destination)
                && one(&leg.source, &None) == Some(leg::first(&own.source, &own.sources))
        }
        _ => true,
    };
    is_first && is_second
}

/// The source that a change sets; the first of several.
fn one<'a>(
    source: &'a Option<Option<String>>,
    several: &'a Option<Option<Vec<String>>>,
) -> Option<Option<&'a str>> {
    match (source, several) {
        (Some(source), _) => Some(source.as_deref()),
        (None, Some(several)) => Some(several.iter().flatten().next().map(String::as_str)),
        (None, None) => None,
    }
}
