//! When what is staged becomes active.

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use crate::tai::Tai;

/// How an activation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mode {
    /// Now.
    #[serde(rename = "activate_immediate")]
    Immediate,
    /// At a time of TAI.
    #[serde(rename = "activate_scheduled_absolute")]
    Absolute,
    /// So long after the request.
    #[serde(rename = "activate_scheduled_relative")]
    Relative,
}

/// The activation of a request's body.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivationPatch {
    mode: Option<Mode>,
    #[serde(default)]
    requested_time: Option<String>,
}

/// The activation that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing yet; what is scheduled is cancelled.
    Nothing,
    /// Now.
    Now,
    /// At this time, as it was asked for.
    At(Scheduled),
}

/// An activation at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scheduled {
    /// Absolute or relative.
    pub(super) mode: Mode,
    /// The time that was asked for: of TAI, or a length.
    pub(super) requested: Tai,
    /// The time of TAI.
    pub(super) at: Tai,
}

impl ActivationPatch {
    /// The activation that it asks for at `now`.
    pub(super) fn wanted(&self, now: Tai) -> Result<Wanted, Refusal> {
        let field = "activation.requested_time";
        let time = self.requested_time.as_ref().map(|it| it.parse::<Tai>());
        let time = time.transpose();
        let time = time.map_err(|error| Refusal::body(field, error.to_string()))?;
        let Some(mode) = self.mode else {
            return match time {
                None => Ok(Wanted::Nothing),
                Some(_) => Err(Refusal::body(field, "is given without a mode")),
            };
        };
        if mode == Mode::Immediate {
            return Ok(Wanted::Now);
        }
        let requested = time.ok_or_else(|| Refusal::body(field, "is missing"))?;
        let at = match mode {
            Mode::Relative => now.plus(requested),
            _ => Some(requested),
        };
        let at = at.ok_or_else(|| Refusal::body(field, "is too far away"))?;
        Ok(Wanted::At(Scheduled {
            mode,
            requested,
            at,
        }))
    }
}

/// `activation-response-schema` of IS-05 v1.1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ActivationShown {
    mode: Option<Mode>,
    requested_time: Option<String>,
    activation_time: Option<String>,
}

impl ActivationShown {
    /// One that was asked for without a time, and happened at this one.
    pub(super) fn immediate(at: Tai) -> Self {
        Self {
            mode: Some(Mode::Immediate),
            requested_time: None,
            activation_time: Some(at.to_string()),
        }
    }

    /// One at a time: when it will happen, or did.
    pub(super) fn scheduled(scheduled: &Scheduled, at: Tai) -> Self {
        Self {
            mode: Some(scheduled.mode),
            requested_time: Some(scheduled.requested.to_string()),
            activation_time: Some(at.to_string()),
        }
    }
}
