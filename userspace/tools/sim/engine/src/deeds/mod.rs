//! Deeds of operators, clients and the world.

mod clients;

use std::time::Duration;

use onair_api::operations::{
    AbortSession, ApiOperation, CreateGroup, CreateSession, DestroyGroup, DestroyGroupWait,
    DestroySession, DestroySessionWait, EvictAll, EvictAttachment, FlushSession, ListBlockers,
    QuarantineSession, RetargetGroup, RetargetSession, RetargetSessions, ShowPicture, ShowVerdict,
    StartGroup, StartRecording, StartSession, StopGroup, StopRecording, StopSession,
};
use onair_api::{DestroyWait, Flush};
use onair_engine::inputs::{Action, Asked, AttachAction};
use onair_engine::services::reply::{Awaited, Reply};
use onair_settings::access::authority::Caller;
use onair_sim_machine::{DiskState, Helpers, Recorder};
use serde_json::{from_value, json};

use crate::cast::{
    self, MEMBERS, ROLES, caller, destination, group, new_group, specification, target,
};
use crate::plan::{EngineDeed, EngineDeedKind as Kind};
use crate::stage::{Answer, Hindrances, Purpose, Request, Stage};

/// How long a request may take beside its own time, if nothing stands in the way.
const GRACE: Duration = Duration::from_millis(3_000);
/// How long one that has a time of its own may take in any case: for the poller, the sites and the disk.
const OBSTRUCTED: Duration = Duration::from_millis(10_000);
/// Times that requests allow, ms.
const WAITS: [u64; 4] = [0, 40, 700, 4_000];

impl Stage {
    /// Does it, and looks at what follows.
    pub(crate) fn act(&mut self, at: usize, deed: EngineDeed) {
        self.note(|| {
            format!(
                "deed {at}: {:?} {} {}",
                deed.kind,
                role_of(deed),
                deed.which
            )
        });
        match deed.kind {
            Kind::Create
            | Kind::Start
            | Kind::Stop
            | Kind::Retarget
            | Kind::RetargetAt
            | Kind::Destroy
            | Kind::DestroyWait
            | Kind::Abort
            | Kind::Quarantine
            | Kind::Evict
            | Kind::EvictAll
            | Kind::Flush
            | Kind::Look
            | Kind::Leave
            | Kind::Record
            | Kind::EndRecording
            | Kind::Picture => self.operate(deed),
            Kind::CreateGroup
            | Kind::StartGroup
            | Kind::StopGroup
            | Kind::RetargetGroup
            | Kind::DestroyGroup
            | Kind::DestroyGroupWait => self.operate_group(deed),
            Kind::Attach
            | Kind::AttachInLayout
            | Kind::Reserve
            | Kind::Own
            | Kind::Detach
            | Kind::HangUp
            | Kind::Kill
            | Kind::PassOn
            | Kind::DropPassedOn
            | Kind::Take
            | Kind::Put
            | Kind::Block
            | Kind::FlushOwn
            | Kind::DestroyOwn
            | Kind::AbortOwn => self.be_a_client(deed),
            Kind::StandPollers
            | Kind::KillPoller
            | Kind::HangHelpers
            | Kind::BlindHelpers
            | Kind::HangRecorder
            | Kind::FailRecorder
            | Kind::FillDisk
            | Kind::HangDisk
            | Kind::BlindProbe
            | Kind::HangReclaimer
            | Kind::Mend
            | Kind::Restart
            | Kind::Shutdown => self.surround(deed),
        }
        self.observe();
        self.compare();
    }

    /// Asks; the oracle looks at the answer when it comes, and at what has changed if it comes at once.
    pub(crate) fn ask<O: ApiOperation>(
        &mut self,
        caller: &Caller,
        target: O::Target,
        input: O::Input,
        purpose: Purpose,
    ) where
        Action: From<Asked<O>>,
        O::Answer: Into<Answer> + std::fmt::Debug + 'static,
    {
        let before = self.fingerprint();
        let awaited = self.life().begin_to_ask::<O>(caller, target, input);
        self.expect(Box::new(awaited), purpose, before);
    }

    /// The same, of a client.
    pub(crate) fn ask_attached<T: Into<Answer> + std::fmt::Debug + 'static>(
        &mut self,
        purpose: Purpose,
        action: impl FnOnce(Reply<T>) -> AttachAction,
    ) {
        let before = self.fingerprint();
        let awaited: Awaited<T> = self.life().begin_attach_action(action);
        self.expect(Box::new(awaited), purpose, before);
    }

    fn expect(&mut self, open: Box<dyn crate::stage::Open>, purpose: Purpose, before: String) {
        self.asked += 1;
        let now = self.life().world.clock().now();
        let role = purpose.role;
        let has_time = matches!(
            purpose.kind,
            Kind::Destroy
                | Kind::DestroyWait
                | Kind::DestroyOwn
                | Kind::DestroyGroup
                | Kind::DestroyGroupWait
                | Kind::Abort
                | Kind::AbortOwn
        );
        let until = has_time.then(|| now + purpose.wait + OBSTRUCTED);
        let request = Request::new(self.asked, purpose, open, (GRACE, until));
        self.requests.push(request);
        self.observe();
        self.look_at_answer(self.asked, &before);
        self.check_started(role);
    }

    fn operate_group(&mut self, deed: EngineDeed) {
        let which = deed.which;
        let (by, wait) = (&caller(which), wait_of(which));
        let ends = matches!(deed.kind, Kind::DestroyGroup | Kind::DestroyGroupWait);
        if ends && which & 3 > 0 {
            let purpose = self.purpose(Kind::StopGroup, ROLES);
            self.ask::<StopGroup>(by, group(), (), purpose);
        }
        let mut purpose = self.purpose(deed.kind, ROLES);
        match deed.kind {
            Kind::CreateGroup => {
                let is_persistent = self.plan.persistent >> ROLES & 1 == 1;
                let new = new_group(which >> 5, is_persistent);
                self.ask::<CreateGroup>(by, (), new, purpose);
            }
            Kind::StartGroup => self.ask::<StartGroup>(by, group(), (), purpose),
            Kind::StopGroup => self.ask::<StopGroup>(by, group(), (), purpose),
            Kind::RetargetGroup => {
                let variant = which >> 5;
                let members = ROLES..ROLES + if which & 16 == 0 { MEMBERS } else { 2 };
                let changes = members.map(|role| {
                    let flow = json!({"destination": destination(role, variant)});
                    json!({"name": cast::name(role), "change": {"flow": flow}})
                });
                let mut patch = json!({"sessions": changes.collect::<Vec<_>>()});
                if which & 0x300 == 0 {
                    let at = self.life().world.tai_ns() + 300_000_000;
                    patch["at_tai_ns"] = at.into();
                } else {
                    purpose.destination = Some(destination(ROLES, variant));
                }
                let patch = from_value(patch).expect("a change");
                self.ask::<RetargetGroup>(by, group(), patch, purpose);
            }
            Kind::DestroyGroup => self.ask::<DestroyGroup>(by, group(), (), purpose),
            _ => {
                purpose.wait = wait;
                let deadline_ms = millis(wait);
                let input = DestroyWait { deadline_ms };
                self.ask::<DestroyGroupWait>(by, group(), input, purpose);
            }
        }
    }

    fn surround(&mut self, deed: EngineDeed) {
        let mut now = self.hindrances;
        match deed.kind {
            Kind::StandPollers => {
                let which = deed.which % 4;
                now.pollers = [which != 3, which != 2];
            }
            Kind::KillPoller => {
                let which = usize::from(deed.which.is_multiple_of(2));
                self.facts.pollers.is_killed[which] = true;
                self.life().world.kill_poller(which);
                return self.life().settle();
            }
            Kind::HangHelpers => now.helpers = Helpers::Hang,
            Kind::BlindHelpers => now.helpers = Helpers::FindNothing,
            Kind::HangRecorder => now.recorder = Recorder::Hangs,
            Kind::FailRecorder => now.recorder = Recorder::Fails,
            Kind::FillDisk => now.disk = DiskState::Full,
            Kind::HangDisk => now.disk = DiskState::Hangs,
            Kind::BlindProbe => now.is_blind = true,
            Kind::HangReclaimer => now.reclaimer = true,
            Kind::Mend => now = Hindrances::default(),
            Kind::Restart => return self.restart(deed.which % 2 == 1),
            _ => return self.shut_down(Duration::from_millis(deed.which % 1500)),
        }
        self.facts.had_disk_trouble |= now.disk != DiskState::Works;
        self.hinder(now);
        self.life().settle();
    }

    /// The daemon is killed, or the power fails, and the next one starts. Its clients' attachments are stale.
    pub(crate) fn restart(&mut self, is_power_cut: bool) {
        self.facts.is_disk_unsure |= self.facts.had_disk_trouble;
        self.facts.had_disk_trouble = false;
        self.facts.daemon_ends(&self.requests);
        self.requests.clear();
        self.guests.clear();
        self.passed_on.clear();
        self.next_daemon(is_power_cut);
        self.observe();
        self.facts.is_restoring = false;
        self.check_restored();
        self.check_archive();
    }

    /// The daemon ends in order, and the next one starts.
    pub(crate) fn shut_down(&mut self, graceful: Duration) {
        self.is_ending = true;
        self.life().shut_down(graceful);
        self.live_to_the_end(graceful);
        self.is_ending = false;
        self.restart(false);
    }

    fn purpose(&self, kind: Kind, role: usize) -> Purpose {
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

    fn operate(&mut self, deed: EngineDeed) {
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

/// The role of a deed of an operator or a client: members of the group are among them, now and then.
pub(crate) fn role_of(deed: EngineDeed) -> usize {
    let member = usize::try_from(deed.which >> 13).unwrap_or(0);
    let may_be_member = matches!(
        deed.kind,
        Kind::Abort | Kind::Quarantine | Kind::Attach | Kind::Evict | Kind::EvictAll | Kind::Record
    );
    match member {
        0 if may_be_member => ROLES + usize::try_from(deed.which).unwrap_or(0) % MEMBERS,
        _ => deed.role,
    }
}

/// The time that a request allows.
fn wait_of(which: u64) -> Duration {
    Duration::from_millis(WAITS[usize::try_from(which >> 4).unwrap_or(0) % WAITS.len()])
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// One of them.
fn pick(all: &[u64], which: u64) -> Option<u64> {
    let at = (which >> 3).checked_rem(all.len() as u64)?;
    all.get(usize::try_from(at).ok()?).copied()
}
