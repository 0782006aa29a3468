//! Deeds of operators, clients and the world.

mod clients;
mod operators;

use std::time::Duration;

use onair_api::DestroyWait;
use onair_api::operations::{
    ApiOperation, CreateGroup, DestroyGroup, DestroyGroupWait, RetargetGroup, StartGroup, StopGroup,
};
use onair_engine::inputs::{Action, Asked, AttachAction};
use onair_engine::services::reply::{Awaited, Reply};
use onair_settings::access::authority::Caller;
use onair_sim_machine::{DiskState, Helpers, Recorder};
use serde_json::{from_value, json};

use crate::cast::{self, MEMBERS, ROLES, caller, destination, group, new_group};
use crate::plan::{EngineDeed, EngineDeedKind as Kind};
use crate::stage::{Answer, Hindrances, Purpose, Request, Stage};
use operators::{millis, wait_of};

/// How long a request may take beside its own time, if nothing stands in the way.
const GRACE: Duration = Duration::from_millis(3_000);
/// How long one that has a time of its own may take in any case: for the poller, the sites and the disk.
const OBSTRUCTED: Duration = Duration::from_millis(10_000);

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
