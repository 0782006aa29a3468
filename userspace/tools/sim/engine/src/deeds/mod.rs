//! Deeds of operators, clients and the world.

mod clients;
mod groups;
mod operators;
mod surroundings;

use std::time::Duration;

use onair_api::operations::ApiOperation;
use onair_engine::inputs::{Action, Asked, AttachAction};
use onair_engine::services::reply::{Awaited, Reply};
use onair_settings::access::authority::Caller;

use crate::cast;
use crate::plan::{EngineDeed, EngineDeedKind as Kind};
use crate::stage::{Answer, Purpose, Request, Stage};

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
}

/// The role of a deed of an operator or a client: members of the group are among them, now and then.
pub(crate) fn role_of(deed: EngineDeed) -> usize {
    let member = usize::try_from(deed.which >> 13).unwrap_or(0);
    let may_be_member = matches!(
        deed.kind,
        Kind::Abort | Kind::Quarantine | Kind::Attach | Kind::Evict | Kind::EvictAll | Kind::Record
    );
    match member {
        0 if may_be_member => {
            cast::ROLES + usize::try_from(deed.which).unwrap_or(0) % cast::MEMBERS
        }
        _ => deed.role,
    }
}
