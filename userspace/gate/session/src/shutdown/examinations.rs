//! Sessions that the witnesses have to examine, and those on which the witnesses agree.

use std::collections::BTreeSet;

use onair_mutant::mutant;

use super::boundary::ShutdownEffect;
use super::roster::Roster;

/// Sessions that are destroyed in one effect. More would make a step longer, and each no cheaper.
const TOGETHER: usize = 16;

/// How often sessions may be examined once time is up, beside twice for each.
const MORE: usize = 32;

/// Sessions that are to be examined.
#[derive(Debug, Default)]
pub(super) struct Examinations {
    /// Something happened to sessions which the witnesses have not been asked about.
    pub(super) is_due: bool,
    /// Priority and id of sessions that can be destroyed now.
    pub(super) ready: BTreeSet<(u8, u64)>,
    /// How many more may come. A session to which something happens all the time does not delay the end.
    left: usize,
}

impl Examinations {
    /// From now on each session may be examined as its destroy begins, and as that gives up.
    pub(super) fn allow_each(&mut self, roster: &Roster) {
        self.left = 2 * roster.order().count() + MORE;
    }

    /// The next one. While users have time, all that happened is looked at before the first session is
    /// destroyed: of those that become empty together, the lowest priority number is first. Once time is up
    /// no session waits for looks at others.
    pub(super) fn next(&mut self, is_up: bool) -> Option<ShutdownEffect> {
        let is_first = is_up || mutant!("shutdown: sessions end before all are examined");
        let ends = is_first && !self.ready.is_empty();
        if !ends && std::mem::take(&mut self.is_due) && self.left > 0 {
            self.left -= 1;
            return Some(ShutdownEffect::Examine);
        }
        let some = std::iter::from_fn(|| self.ready.pop_first());
        let some: Vec<u64> = some.take(TOGETHER).map(|(_, id)| id).collect();
        (!some.is_empty()).then_some(ShutdownEffect::EndInTurn(some))
    }
}
