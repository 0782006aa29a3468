//! State of one session's connection.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::params::{CarriedFlow, Staged};
use crate::connection::Subscription;
use crate::connection::activation::{ActivationShown, Scheduled};
use crate::connection::patch::TransportFile;
use crate::connection::state::{Parts, document};
use crate::mxl::Carrier;

/// The connection of a session: what is staged, scheduled and active.
#[derive(Debug, Default)]
pub(super) struct MxlConnectionState {
    pub(super) staged: Option<Staged>,
    pub(super) scheduled: Option<Scheduled>,
    pub(super) active: Option<Active>,
    pub(super) activations: u64,
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
}

/// The last activation. Valid until the session is moved otherwise.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) staged: Staged,
    pub(super) activation: ActivationShown,
    pub(super) made: CarriedFlow,
}

/// The part of a connection that outlasts this process: `onair-mxl` keeps it with the session, until another client
/// or the settings move it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) active: Option<(Staged, ActivationShown)>,
    pub(super) scheduled: Option<(Staged, Scheduled)>,
}

impl Kept {
    pub(super) fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

impl MxlConnectionState {
    /// As `onair-mxl` has kept it.
    pub(super) fn of(carrier: &Carrier, made: CarriedFlow) -> Self {
        let kept = carrier.connected.as_deref().map(serde_json::from_str);
        let kept: Kept = kept.and_then(Result::ok).unwrap_or_default();
        let active = kept.active.map(|(staged, activation)| Active {
            staged,
            activation,
            made,
        });
        let (staged, scheduled) = kept.scheduled.unzip();
        Self {
            staged,
            scheduled,
            active,
            ..Self::default()
        }
    }

    pub(super) fn kept(&self, place: &CarriedFlow) -> Option<String> {
        let active = self.held(place);
        let active = active.map(|it| (it.staged.clone(), it.activation.clone()));
        let scheduled = self.staged.clone().zip(self.scheduled);
        Kept { active, scheduled }.text()
    }

    fn held(&self, place: &CarriedFlow) -> Option<&Active> {
        self.active.as_ref().filter(|it| it.made == *place)
    }

    pub(super) fn staged(&self, place: &CarriedFlow) -> Staged {
        let last = || self.held(place).map(|it| it.staged.clone());
        let staged = self.staged.clone().or_else(last);
        staged.unwrap_or_else(|| Staged::of(place))
    }

    pub(super) fn show_staged(&self, place: &CarriedFlow) -> Value {
        let activation = self.scheduled.as_ref();
        let activation = activation.map(|it| ActivationShown::scheduled(it, it.at));
        shown(place, &self.staged(place), &activation.unwrap_or_default())
    }

    pub(super) fn show_active(&self, place: &CarriedFlow) -> Value {
        let held = self.held(place);
        let active = Staged {
            peer: held.and_then(|it| it.staged.peer),
            ..Staged::of(place)
        };
        let activation = held.map(|it| it.activation.clone());
        shown(place, &active, &activation.unwrap_or_default())
    }

    pub(super) fn subscription(&self, place: &CarriedFlow) -> Subscription {
        let held = self.held(place).filter(|_| place.active);
        Subscription {
            active: place.active,
            peer: held.and_then(|it| it.staged.peer),
            activations: self.activations,
        }
    }
}

pub(super) fn shown(place: &CarriedFlow, staged: &Staged, activation: &ActivationShown) -> Value {
    let parts = Parts {
        peer: staged.peer,
        enable: staged.enable,
        file: &TransportFile::default(),
        params: json!([staged.params]),
    };
    document(place.side, parts, activation)
}
