//! The session's side of its recordings: moves taps into the runtime and out again.

use onair_dataplane::{Command, Tap};
use onair_session::RuntimeHolder;

use super::Session;
use crate::services::Services;

/// Where a requested tap is.
#[derive(Debug)]
pub enum Untapped {
    /// Here: the recording gets nothing more from the session.
    Here(Box<Tap>),
    /// With the poller, which gives back the tap or the whole runtime.
    Awaited,
    /// The session has no tap of that recording, or gets no packet any more.
    Nowhere,
}

impl Session {
    /// Starts handing packets to a recording; may take one turn of its poller.
    pub fn tap(&mut self, services: &mut Services, tap: Box<Tap>) {
        match self.core.place() {
            RuntimeHolder::Here(runtime) => runtime.tap(tap),
            // A poller that has handed the session back meanwhile refuses, and this runs again.
            RuntimeHolder::Poller | RuntimeHolder::Returning => {
                let session = self.id.0;
                services.command(self.home.poller(), Command::Tap { session, tap });
            }
        }
    }

    /// Takes a recording's tap, if it is here. If the poller has it, `ask` requests it back.
    pub fn untap(&mut self, services: &mut Services, recording: u64, ask: bool) -> Untapped {
        match self.core.place() {
            RuntimeHolder::Here(runtime) => match runtime.untap(recording) {
                Some(tap) => Untapped::Here(tap),
                None => Untapped::Nowhere,
            },
            RuntimeHolder::Poller | RuntimeHolder::Returning => {
                if ask {
                    let (session, poller) = (self.id.0, self.home.poller());
                    services.command(poller, Command::Untap { session, recording });
                }
                if services.is_poller_lost(self.home.poller()) {
                    return Untapped::Nowhere;
                }
                Untapped::Awaited
            }
        }
    }
}
