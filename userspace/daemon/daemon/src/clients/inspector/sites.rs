//! The probe sites of a client, as the kernel's probe watches them.

use std::any::Any;

use onair_engine::clients::inspection::{SiteLook, Sites};
use onair_ipc::memory::EventCountFile;
use onair_probe::{Looker, SiteChecker};

/// The sites of an armed client.
#[derive(Debug)]
pub struct ArmedSites(pub SiteChecker);

struct RealLook(Looker);

impl SiteLook for RealLook {}

impl Sites for ArmedSites {
    fn watch_event_counts(&self, session: u64, event_counts: EventCountFile) {
        self.0.watch_event_counts(session, event_counts);
    }

    fn look(&self) -> Box<dyn SiteLook> {
        Box::new(RealLook(self.0.looker()))
    }
}

/// How a helper thread looks at sites of this machine.
pub(super) fn looker(look: Box<dyn SiteLook>) -> Looker {
    let look: Box<dyn Any> = look;
    let look = look.downcast::<RealLook>();
    look.expect("each watched client has armed sites").0
}
