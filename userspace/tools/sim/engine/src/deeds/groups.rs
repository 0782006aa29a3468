//! Requests of operators for the group.

use onair_api::DestroyWait;
use onair_api::operations::{
    CreateGroup, DestroyGroup, DestroyGroupWait, RetargetGroup, StartGroup, StopGroup,
};
use serde_json::{from_value, json};

use super::operators::{millis, wait_of};
use crate::cast::{self, MEMBERS, ROLES, caller, destination, group, new_group};
use crate::plan::{EngineDeed, EngineDeedKind as Kind};
use crate::stage::Stage;

impl Stage {
    pub(super) fn operate_group(&mut self, deed: EngineDeed) {
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
}
