//! The transport parameters of MXL (BCP-007-03).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::connection::auto::Auto;
use crate::connection::patch::TransportFile;
use crate::connection::refusal::Refusal;
use crate::connection::side::Side;
use crate::mxl::{Carried, Carrier};

/// `sender_transport_params_mxl` and `receiver_transport_params_mxl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Params {
    mxl_domain_id: Option<Auto<Uuid>>,
    mxl_flow_id: Option<Auto<Uuid>>,
}

/// The changes of a PATCH.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::connection) struct ParamsPatch {
    #[serde(default, deserialize_with = "onair_essence::whole::present")]
    mxl_domain_id: Option<Option<Auto<Uuid>>>,
    #[serde(default, deserialize_with = "onair_essence::whole::present")]
    mxl_flow_id: Option<Option<Auto<Uuid>>>,
}

/// Where a session is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CarriedFlow {
    pub(super) side: Side,
    pub(super) domain: Option<Uuid>,
    pub(super) flow: Option<Uuid>,
    pub(super) active: bool,
}

impl CarriedFlow {
    pub(super) fn of(carried: &Carried, carrier: &Carrier) -> Self {
        Self {
            side: carrier.direction.into(),
            domain: carried.domain,
            flow: carrier.flow,
            active: carrier.active,
        }
    }

    pub(super) fn params(&self) -> Params {
        Params {
            mxl_domain_id: self.domain.map(Auto::Is),
            mxl_flow_id: self.flow.map(Auto::Is),
        }
    }

    /// The document `constraints`: a sender's flow is its own; a receiver takes any of its format.
    pub(super) fn constraints(&self) -> Value {
        let only = |id: Option<Uuid>| id.map_or_else(|| json!({}), |id| json!({"enum": [id]}));
        let flow = match self.side {
            Side::Sender => only(self.flow),
            Side::Receiver => json!({}),
        };
        json!([{"mxl_domain_id": only(self.domain), "mxl_flow_id": flow}])
    }
}

/// Staged parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Staged {
    pub(super) peer: Option<Uuid>,
    pub(super) enable: bool,
    pub(super) params: Params,
}

/// A PATCH of a sender or receiver of MXL.
pub(super) type Patch = crate::connection::patch::Patch<ParamsPatch>;

impl Staged {
    /// The active parameters.
    pub(super) fn of(place: &CarriedFlow) -> Self {
        Self {
            peer: None,
            enable: place.active,
            params: place.params(),
        }
    }

    /// The staged parameters after `patch`, all of it or nothing.
    pub(super) fn patched(&self, patch: &Patch, place: &CarriedFlow) -> Result<Self, Refusal> {
        let refuse = |field: &str, problem: &str| {
            Err(Refusal::body(
                format!("transport_params[0].{field}"),
                problem,
            ))
        };
        let mut next = self.clone();
        next.peer = patch.peer.unwrap_or(next.peer);
        next.enable = patch.enable.unwrap_or(next.enable);
        if patch
            .file
            .as_ref()
            .is_some_and(|it| *it != TransportFile::default())
        {
            let problem = "is given: MXL has none";
            return Err(Refusal::body("transport_file", problem));
        }
        let Some(params) = &patch.legs else {
            return Ok(next);
        };
        let [change] = params.as_slice() else {
            let problem = "has not one element: MXL has one set of parameters";
            return Err(Refusal::body("transport_params", problem));
        };
        if let Some(domain) = change.mxl_domain_id {
            if matches!(domain, Some(Auto::Is(id)) if Some(id) != place.domain) {
                return refuse("mxl_domain_id", "is not the domain of onair-mxl");
            }
            next.params.mxl_domain_id = domain;
        }
        if let Some(flow) = change.mxl_flow_id {
            match (place.side, flow) {
                (Side::Receiver, Some(Auto::Auto)) => {
                    return refuse("mxl_flow_id", "is auto: a receiver does not know which");
                }
                (Side::Sender, Some(Auto::Is(id))) if Some(id) != place.flow => {
                    return refuse("mxl_flow_id", "is not the sender's flow");
                }
                _ => next.params.mxl_flow_id = flow,
            }
        }
        Ok(next)
    }

    /// The flow that becomes active. `auto` and null are what the sender has.
    pub(super) fn flow(&self, place: &CarriedFlow) -> Result<Option<Uuid>, Refusal> {
        let refuse = |field: &str, problem: &str| {
            Err(Refusal::body(
                format!("transport_params[0].{field}"),
                problem,
            ))
        };
        if self.params.mxl_domain_id == Some(Auto::Auto) && place.domain.is_none() {
            return refuse(
                "mxl_domain_id",
                "is auto: the domain has no domain_def.json with an id",
            );
        }
        match (place.side, self.params.mxl_flow_id) {
            (Side::Sender, _) => Ok(place.flow),
            (Side::Receiver, Some(Auto::Is(id))) => Ok(Some(id)),
            (Side::Receiver, _) if self.enable => refuse("mxl_flow_id", "is null: name a flow"),
            (Side::Receiver, _) => Ok(None),
        }
    }
}
