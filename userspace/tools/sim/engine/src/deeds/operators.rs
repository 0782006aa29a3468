//! Requests of operators for single sessions.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CreateSession, DestroySession, DestroySessionWait, EvictAll, EvictAttachment,
    FlushSession, ListBlockers, QuarantineSession, RetargetSession, RetargetSessions, ShowPicture,
    ShowVerdict, StartRecording, StartSession, StopRecording, StopSession,
};
use onair_api::{DestroyWait, Flush};
use serde_json::{from_value, json};

use super::role_of;
use crate::cast::{self, caller, destination, specification, target};
use crate::plan::{EngineDeed, EngineDeedKind as Kind};
use crate::stage::{Purpose, Stage};

/// Times that requests allow, ms.
const WAITS: [u64; 4] = [0, 40, 700, 4_000];

/// The time that a request allows.
pub(super) fn wait_of(which: u64) -> Duration {
    Duration::from_millis(WAITS[usize::try_from(which >> 4).unwrap_or(0) % WAITS.len()])
}

pub(super) fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

impl Stage {
    pub(super) fn purpose(&self, kind: Kind, role: usize) -> Purpose {
        let session = self.facts.named(&cast::name(role));
        Purpose {
            kind,
            role,
            session,
            submitted: self.submitted(session),
            number: None,
            destination: None,
            wait: Duration::ZERO,
        }
    }

    pub(super) fn operate(&mut self, deed: EngineDeed) {
        let (role, which) = (role_of(deed), deed.which);
        let ends = matches!(
            deed.kind,
            Kind::Destroy | Kind::DestroyWait | Kind::Quarantine
        );
        if ends && which & 3 > 0 {
            // Most that end a session stop it first.
            let purpose = self.purpose(Kind::Stop, role);
            self.ask::<StopSession>(&caller(which), target(role), (), purpose);
        }
        let (by, wait) = (&caller(which), wait_of(which));
        let mut purpose = self.purpose(deed.kind, role);
        match deed.kind {
            Kind::Create => {
                let is_persistent = self.plan.persistent >> role & 1 == 1;
                let spec = specification(role, which >> 5, is_persistent);
                self.ask::<CreateSession>(by, (), spec, purpose);
            }
            Kind::Start => self.ask::<StartSession>(by, target(role), (), purpose),
            Kind::Stop => self.ask::<StopSession>(by, target(role), (), purpose),
            Kind::Retarget if which >> 12 & 7 == 1 => self.exchange(which, purpose),
            Kind::Retarget | Kind::RetargetAt => self.retarget(deed, purpose),
            Kind::Destroy => self.ask::<DestroySession>(by, target(role), (), purpose),
            Kind::DestroyWait => {
                purpose.wait = wait;
                let deadline_ms = millis(wait);
                let input = DestroyWait { deadline_ms };
                self.ask::<DestroySessionWait>(by, target(role), input, purpose);
            }
            Kind::Abort => self.ask::<AbortSession>(by, target(role), (), purpose),
            Kind::Quarantine => self.ask::<QuarantineSession>(by, target(role), (), purpose),
            Kind::Evict => {
                let all: Vec<u64> = self.guests.iter().map(|it| it.number()).collect();
                let Some(number) = pick(&all, which) else {
                    return;
                };
                let guest = self.guests.iter().find(|it| it.number() == number);
                if let Some(guest) = guest {
                    let (session, _) = guest.client.place();
                    purpose.session = Some(guest.session());
                    self.ask::<EvictAttachment>(by, (session, number), (), purpose);
                }
            }
            Kind::EvictAll => self.ask::<EvictAll>(by, target(role), (), purpose),
            Kind::Flush => {
                purpose.wait = wait;
                let deadline_ms = millis(wait);
                self.ask::<FlushSession>(by, target(role), Flush { deadline_ms }, purpose);
            }
            Kind::Look if which % 2 == 0 => {
                self.ask::<ListBlockers>(by, target(role), (), purpose);
            }
            Kind::Look => self.ask::<ShowVerdict>(by, target(role), (), purpose),
            Kind::Leave => {
                let open = self.requests.len() as u64;
                if let Some(at) = which.checked_rem(open) {
                    let gone = self.requests.remove(usize::try_from(at).unwrap_or(0));
                    self.facts.is_unsure(gone.purpose.role);
                }
            }
            Kind::Record => {
                let spec = json!({"format": "pcapng", "name": format!("take-{}", which % 4)});
                let spec = from_value(spec).expect("a recording");
                self.ask::<StartRecording>(by, target(role), spec, purpose);
            }
            Kind::EndRecording => {
                purpose.wait = Duration::from_millis(1000);
                let take = format!("take-{}", which % 4).parse().expect("a name");
                self.ask::<StopRecording>(by, take, (), purpose);
            }
            _ => {
                purpose.wait = Duration::from_millis(3000);
                self.ask::<ShowPicture>(by, target(role), (), purpose);
            }
        }
    }

    /// Two receivers exchange what they receive, in one request.
    fn exchange(&mut self, which: u64, mut purpose: Purpose) {
        self.facts.has_exchanged = true;
        let listed = self.list();
        let destinations = cast::ALIKE.map(|role| {
            let name = cast::name(role);
            // From now on either may be on the disk.
            if let Some(kept) = self.facts.kept.get_mut(&name) {
                kept.destination = None;
            }
            let found = listed.iter().find(|it| it.name == name);
            found.map_or(destination(role, 1), |it| it.flow.destination.clone())
        });
        let [first, second] = destinations;
        let wanted = [second, first];
        let changes = cast::ALIKE.iter().zip(&wanted).map(|(role, to)| {
            json!({"name": cast::name(*role), "change": {"flow": {"destination": to}}})
        });
        let patch = json!({"sessions": changes.collect::<Vec<_>>()});
        purpose.role = cast::ALIKE[0];
        purpose.destination = Some(wanted.join(" "));
        let patch = from_value(patch).expect("a change");
        self.ask::<RetargetSessions>(&caller(which), (), patch, purpose);
    }

    fn retarget(&mut self, deed: EngineDeed, mut purpose: Purpose) {
        let (role, which) = (purpose.role, deed.which);
        let to = destination(role, which >> 5);
        let mut change = json!({"flow": {"destination": to}});
        if deed.kind == Kind::RetargetAt {
            let ahead_ms = [0, 20, 400, 12_000][usize::try_from(which >> 8).unwrap_or(0) % 4];
            let at = self.life().world.tai_ns() + ahead_ms * 1_000_000;
            change["at_tai_ns"] = at.into();
        }
        purpose.destination = Some(to);
        let change = Box::new(from_value(change).expect("a change"));
        self.ask::<RetargetSession>(&caller(which), target(role), change, purpose);
    }
}

/// One of them.
pub(super) fn pick(all: &[u64], which: u64) -> Option<u64> {
    let at = (which >> 3).checked_rem(all.len() as u64)?;
    all.get(usize::try_from(at).ok()?).copied()
}
