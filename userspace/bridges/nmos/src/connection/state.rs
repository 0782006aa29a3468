//! State of one session's connection.

use onair_api::{FlowDocument, MAX_CONNECTED, SessionId, SessionState, SessionView};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Subscription;
use super::activation::{ActivationShown, Scheduled};
use super::leg::{self, Interface, Leg};
use super::patch::TransportFile;
use super::side::Side;
use super::staged::Staged;
use crate::tai::Tai;

/// The connection of a session. A session of the same name that comes later has another one.
#[derive(Debug)]
pub(super) struct ConnectionState {
    pub(super) session: SessionId,
    /// The staged parameters that are not active yet.
    pub(super) staged: Option<Staged>,
    /// The activation that locks it.
    pub(super) scheduled: Option<Scheduled>,
    /// The daemon may have it: it cannot be cancelled any more.
    pub(super) is_begun: bool,
    /// The last activation.
    active: Option<Active>,
    /// How many there were.
    activations: u64,
}

/// The part of a connection that outlasts this process: the daemon keeps it with the session, and forgets it with
/// another address.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    active: Option<(Staged, ActivationShown, bool)>,
    scheduled: Option<(Staged, Scheduled)>,
}

/// The last activation. Valid until the session changes otherwise.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) staged: Staged,
    pub(super) activation: ActivationShown,
    flow: FlowDocument,
    runs: bool,
    /// The last facts before it, which do not know it.
    before: u64,
}

impl Active {
    /// By the daemon's answer, after these facts.
    pub(super) fn new(
        staged: Staged,
        activation: ActivationShown,
        (view, before): (&SessionView, u64),
    ) -> Self {
        Self {
            staged,
            activation,
            before,
            flow: view.flow.clone(),
            runs: view.state == SessionState::Running,
        }
    }

    fn holds(&self, view: &SessionView) -> bool {
        self.flow == view.flow && self.runs == (view.state == SessionState::Running)
    }
}

impl ConnectionState {
    pub(super) const fn new(session: SessionId) -> Self {
        Self {
            session,
            staged: None,
            scheduled: None,
            is_begun: false,
            active: None,
            activations: 0,
        }
    }

    /// As the daemon has kept it with the session, in these facts.
    pub(super) fn of(view: &SessionView, before: u64) -> Self {
        let kept = view.connected.as_deref().map(serde_json::from_str::<Kept>);
        let kept = kept.and_then(Result::ok).unwrap_or_default();
        let active = kept.active.map(|(staged, activation, runs)| Active {
            staged,
            activation,
            flow: view.flow.clone(),
            runs,
            before,
        });
        let (staged, scheduled) = kept.scheduled.unzip();
        Self {
            staged,
            scheduled,
            active,
            ..Self::new(view.id)
        }
    }

    /// The note that the daemon is to keep; `None`: nothing. A description that is too long is left out.
    pub(super) fn kept(&self) -> Option<String> {
        let active = self.active.as_ref();
        let active = active.map(|it| (it.staged.clone(), it.activation.clone(), it.runs));
        let scheduled = self.staged.clone().zip(self.scheduled);
        let mut kept = Kept { active, scheduled };
        if kept.active.is_none() && kept.scheduled.is_none() {
            return None;
        }
        let is_short = |it: &String| it.len() <= MAX_CONNECTED;
        let text = |kept: &Kept| serde_json::to_string(kept).ok().filter(is_short);
        text(&kept).or_else(|| {
            let all = kept.active.iter_mut().map(|it| &mut it.0);
            let all = all.chain(kept.scheduled.iter_mut().map(|it| &mut it.0));
            all.for_each(|it| it.file = TransportFile::default());
            text(&kept)
        })
    }

    /// Whether it is that of this session: the same one, or the same of a daemon that has restarted.
    pub(super) fn is_of(&self, view: &SessionView) -> bool {
        let is_restored = || view.persistent && self.session.incarnation() != view.id.incarnation();
        self.session == view.id || is_restored()
    }

    /// The activation of this time begins. What it makes active.
    pub(super) fn begin(&mut self, at: Tai) -> Option<(Staged, Scheduled)> {
        let scheduled = self.scheduled.filter(|it| it.at == at)?;
        let staged = self.staged.clone()?;
        self.is_begun = true;
        Some((staged, scheduled))
    }

    /// The scheduled activation has failed: what was staged still is.
    pub(super) fn fail(&mut self) {
        (self.scheduled, self.is_begun) = (None, false);
    }

    /// Makes the staged parameters active.
    pub(super) fn activate(&mut self, active: Active) {
        (self.scheduled, self.is_begun) = (None, false);
        (self.staged, self.active) = (None, Some(active));
        self.activations += 1;
    }

    /// The last activation, if the session still is as it made it.
    fn held(&self, view: &SessionView) -> Option<&Active> {
        self.active.as_ref().filter(|it| it.holds(view))
    }

    /// The parameters that a PATCH starts from.
    pub(super) fn staged(&self, view: &SessionView, interfaces: &[Interface]) -> Staged {
        let last = || self.held(view).map(|it| it.staged.clone());
        let staged = self.staged.clone().or_else(last);
        staged.unwrap_or_else(|| Staged::of(view, interfaces))
    }

    /// The document `staged`.
    pub(super) fn show_staged(&self, view: &SessionView, interfaces: &[Interface]) -> Value {
        let activation = self.scheduled.as_ref();
        let activation = activation.map(|it| ActivationShown::scheduled(it, it.at));
        let staged = self.staged(view, interfaces);
        document(
            Side::of(view.direction),
            &staged,
            &activation.unwrap_or_default(),
        )
    }

    /// The document `active`: the addresses are the session's, from any source.
    pub(super) fn show_active(&self, view: &SessionView, interfaces: &[Interface]) -> Value {
        let side = Side::of(view.direction);
        let Some(active) = self.held(view) else {
            let staged = Staged::of(view, interfaces);
            return document(side, &staged, &ActivationShown::default());
        };
        let mut staged = active.staged.clone();
        let wanted =
            std::mem::replace(&mut staged.legs, leg::of_flow(side, &view.flow, interfaces));
        let legs = staged.legs.iter_mut().zip(wanted).zip(interfaces);
        let is_off = |wanted: &Leg| !active.staged.enable || !wanted.rtp_enabled;
        for ((leg, wanted), interface) in legs.filter(|((_, wanted), _)| is_off(wanted)) {
            // The session may have another address for it.
            *leg = wanted.resolved(leg, interface);
        }
        document(side, &staged, &active.activation)
    }

    /// That of the session in the facts of this number.
    pub(super) fn subscription(&self, view: &SessionView, number: u64) -> Subscription {
        let active = self.active.as_ref();
        match active.filter(|it| number <= it.before || it.holds(view)) {
            Some(active) => Subscription {
                active: active.staged.enable,
                peer: active.staged.peer.filter(|_| active.staged.enable),
                activations: self.activations,
            },
            None => Subscription {
                activations: self.activations,
                ..Subscription::of(view)
            },
        }
    }
}

/// Staged or active parameters, but for the activation.
pub(super) struct Parts<'a> {
    /// The other end.
    pub(super) peer: Option<Uuid>,
    /// `master_enable`.
    pub(super) enable: bool,
    /// The description, of a receiver.
    pub(super) file: &'a TransportFile,
    /// `transport_params`.
    pub(super) params: Value,
}

impl<'a> From<&'a Staged> for Parts<'a> {
    fn from(staged: &'a Staged) -> Self {
        Self {
            peer: staged.peer,
            enable: staged.enable,
            file: &staged.file,
            params: json!(staged.legs),
        }
    }
}

/// `sender-response-schema` or `receiver-response-schema` of IS-05.
pub(super) fn document<'a>(
    side: Side,
    of: impl Into<Parts<'a>>,
    activation: &ActivationShown,
) -> Value {
    let of = of.into();
    let mut document = json!({
        side.peer(): of.peer.map(|it| it.to_string()),
        "master_enable": of.enable,
        "activation": activation,
    });
    if side == Side::Receiver {
        document["transport_file"] = json!(of.file);
    }
    document["transport_params"] = of.params;
    document
}
