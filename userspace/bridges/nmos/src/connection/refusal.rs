//! Why a request of a controller is refused.

use std::sync::Arc;

use axum::http::StatusCode;
use onair_api::ProblemCode;
use onair_control::ControlError;
use onair_sdp::session::Unusable;

use super::side::Side;

/// Why a request is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The body is not what IS-05 says.
    #[error("{field}: {problem}")]
    Body {
        /// The path of the field.
        field: String,
        /// The fault.
        problem: String,
    },
    /// The session description is not one of this receiver's format.
    #[error("transport_file: {0}")]
    File(Arc<Unusable>),
    /// An activation is scheduled.
    #[error(
        "an activation is scheduled: wait for it, or cancel it with an activation whose mode is null"
    )]
    Locked,
    /// A scheduled activation is carried out.
    #[error("a scheduled activation is about to happen: it cannot be cancelled any more")]
    Begun,
    /// There is no such resource.
    #[error("there is no {0}")]
    NotFound(String),
    /// The resource has no such method.
    #[error("the method is not one of this resource")]
    Method,
    /// `onair-mxl` does not answer.
    #[error("{0}")]
    Away(String),
    /// This process failed.
    #[error("this failed: read the log of onair-nmos")]
    Failed,
    /// The poller of a session does not change it.
    #[error("the session has not changed in its time: `onairctl session show` tells why")]
    Late,
    /// The daemon does not do it.
    #[error("{said}")]
    Daemon {
        /// Why.
        error: Arc<ControlError>,
        /// The same, with the fields as controllers know them.
        said: String,
    },
}

impl From<Unusable> for Refusal {
    fn from(file: Unusable) -> Self {
        Self::File(Arc::new(file))
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let said = error.to_string();
        let error = Arc::new(error);
        Self::Daemon { error, said }
    }
}

impl Refusal {
    /// That `field` is wrong.
    pub(super) fn body(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self::Body { field, problem }
    }

    /// The daemon's refusal of a change of a session, with the fields as controllers know them.
    pub(super) fn of_change(side: Side, error: ControlError) -> Self {
        let to = match side {
            Side::Sender => "destination_ip",
            Side::Receiver => "multicast_ip",
        };
        let mut said = error.to_string();
        for (leg, at) in ["flow.second_leg", "flow"].into_iter().zip([1, 0]) {
            // The longer names first.
            for (own, shown) in [
                ("sources", "source_ip"),
                ("source", "source_ip"),
                ("destination", to),
            ] {
                let shown = format!("transport_params[{at}].{shown}");
                said = said.replace(&format!("{leg}.{own}"), &shown);
            }
            said = said.replace(&format!("{leg}.payload_type"), "transport_file");
        }
        let error = Arc::new(error);
        Self::Daemon { error, said }
    }

    /// Whether what carries the session is away, or another one than before: it may do it later.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Daemon { error, .. } => {
                let code = error.problem().map(|it| it.code);
                let is_of_another = code == Some(ProblemCode::StaleSession);
                is_of_another || self.status() == StatusCode::SERVICE_UNAVAILABLE
            }
            _ => matches!(self, Self::Away(_)),
        }
    }

    /// The daemon's code for it, for programmers.
    #[must_use]
    pub fn debug(&self) -> Option<String> {
        match self {
            Self::Daemon { error, .. } => error.problem().map(|it| it.kind.to_string()),
            _ => None,
        }
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Body { .. } | Self::File(_) => StatusCode::BAD_REQUEST,
            Self::Locked | Self::Begun => StatusCode::LOCKED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Late | Self::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Daemon { error, .. } if error.is_unreachable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Daemon { error, .. } => match error.problem().map(|it| it.code) {
                Some(ProblemCode::InvalidSpec | ProblemCode::NoPackets) => StatusCode::BAD_REQUEST,
                // Whose right is missing, or what state the session is in, is the daemon's to say.
                Some(code) => {
                    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
                }
                None => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use onair_api::{Problem, SpecError};

    use super::*;

    #[test]
    fn daemon_refuses_then_its_own_status_or_400() {
        for (code, status) in [
            (ProblemCode::InvalidSpec, 400),
            (ProblemCode::Forbidden, 403),
            (ProblemCode::NoSuchSession, 404),
            (ProblemCode::Draining, 409),
            (ProblemCode::ShuttingDown, 503),
        ] {
            let problem = Problem::new(code, "why".to_owned());
            let refusal = Refusal::from(ControlError::Refused(Box::new(problem)));
            assert_eq!(refusal.status().as_u16(), status, "{code:?}");
            assert!(refusal.debug().is_some_and(|it| it.contains(code.as_str())));
        }
    }

    #[test]
    fn daemon_refuses_a_leg_then_its_field_is_the_controllers() {
        let said = |side, fields: &[&str]| {
            let errors = fields.iter().map(|it| SpecError::new(*it, "is wrong"));
            let problem = Problem::of_fields(ProblemCode::InvalidSpec, errors.collect());
            let refusal = Refusal::of_change(side, ControlError::Refused(Box::new(problem)));
            assert_eq!(refusal.status().as_u16(), 400);
            refusal.to_string()
        };
        let (first, second) = (["flow.source"], ["flow.second_leg.destination"]);
        let own = "transport_params[0].source_ip: is wrong";
        assert!(said(Side::Receiver, &first).contains(own));
        for (side, own) in [
            (Side::Sender, "destination_ip"),
            (Side::Receiver, "multicast_ip"),
        ] {
            let own = format!("transport_params[1].{own}: is wrong");
            assert!(said(side, &second).contains(&own));
        }
        let both = said(Side::Sender, &["flow.sources", "flow.payload_type"]);
        assert!(
            both.contains("transport_params[0].source_ip, transport_file"),
            "{both}"
        );
    }
}
