//! Warns that a stopped session still has users.

use std::time::Instant;

use crate::boundary::effect::{Effect, Named};
use crate::boundary::runtime::Runtime;
use crate::state::{SessionCore, Turn};

impl<R: Runtime> SessionCore<R> {
    /// The users of the stopped session are to be named. Without users and without a waiting
    /// destroy, the warnings end.
    pub(crate) fn warn_of_users(&mut self, turn: &mut Turn<'_, R>, now: Instant) {
        if !self.is_used(turn.view) && self.lifecycle.destroy().is_none() {
            self.warnings.end();
            return;
        }
        let after = self.warnings.warn(now);
        turn.effects.push(Effect::NameUsers(Named::Warning(after)));
    }
}
