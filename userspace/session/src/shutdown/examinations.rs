//! Sessions that the witnesses are to be asked about, and those about which they agree.

use std::collections::BTreeSet;

use onair_mutant::mutant;

use super::boundary::ShutdownEffect;

/// Sessions that are destroyed in one effect. More would make a step longer, and each no cheaper.
const TOGETHER: usize = 16;

/// What is to be examined.
#[derive(Debug, Default)]
pub(super) struct Examinations {
    /// Something happened to sessions which the witnesses have not been asked about.
    pub(super) is_due: bool,
    /// Priority and id of sessions that can be destroyed now.
    pub(super) ready: BTreeSet<(u8, u64)>,
}

impl Examinations {
    /// The next one. All that happened is looked at before the first session is destroyed: of those
    /// that become empty together, the lowest priority number is first.
    pub(super) fn next(&mut self) -> Option<ShutdownEffect> {
        let late =
            mutant!("shutdown: sessions end before all are examined") && !self.ready.is_empty();
        if !late && std::mem::take(&mut self.is_due) {
            return Some(ShutdownEffect::Examine);
        }
        let some = std::iter::from_fn(|| self.ready.pop_first());
        let some: Vec<u64> = some.take(TOGETHER).map(|(_, id)| id).collect();
        (!some.is_empty()).then_some(ShutdownEffect::EndInTurn(some))
    }
}
