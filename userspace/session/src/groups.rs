//! The end of a group: sessions that are destroyed in one step, once none of them has a user, or not at all.
//!
//! Each drains by itself and waits for its turn. No session knows of the others.

use onair_api::{Problem, StepName};

use crate::boundary::note::Note;
use crate::boundary::runtime::Runtime;
use crate::ending::drain::refuse_with_users;
use crate::state::{SessionCore, Turn};

/// How far a session is on its way to its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwaitedTurn {
    /// It waits for no turn.
    None,
    /// It has users, or may have.
    InUse,
    /// It has none: it ends in its turn.
    Ready,
}

/// What happened to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// It has no user any more.
    Ready,
    /// It is not destroyed: its time has passed, it has users, or its requester has gone.
    GaveUp,
}

/// What to do with members.
#[derive(Debug, PartialEq, Eq)]
pub enum GroupStep {
    /// Nothing.
    Wait,
    /// It is the turn of all of them.
    End(Vec<u64>),
    /// These stay, too.
    Withdraw(Vec<u64>),
}

/// The next step of a group with these members, by id.
#[must_use]
pub fn end_of_group(members: &[(u64, AwaitedTurn)], event: GroupEvent) -> GroupStep {
    let ids = |wanted: fn(&AwaitedTurn) -> bool| {
        let some = members.iter().filter(|(_, turn)| wanted(turn));
        some.map(|(id, _)| *id).collect::<Vec<_>>()
    };
    match event {
        GroupEvent::Ready => {
            let ready = ids(|turn| *turn == AwaitedTurn::Ready);
            match ready.len() == members.len() {
                true => GroupStep::End(ready),
                false => GroupStep::Wait,
            }
        }
        GroupEvent::GaveUp => match ids(|turn| *turn != AwaitedTurn::None) {
            waiting if waiting.is_empty() => GroupStep::Wait,
            waiting => GroupStep::Withdraw(waiting),
        },
    }
}

/// The first boundary of periods at or after `from_ns`. `period_ns`: when a period of this number begins; 0 for the
/// first.
#[must_use]
pub fn boundary_from(period_ns: impl Fn(u64) -> u64, from_ns: u64) -> u64 {
    // Whole nanoseconds of one period are no more than the period is long.
    let (mut before, mut enough) = (0, from_ns / period_ns(1).max(1) + 1);
    while before < enough {
        let middle = before + (enough - before) / 2;
        match period_ns(middle) < from_ns {
            true => before = middle + 1,
            false => enough = middle,
        }
    }
    period_ns(enough)
}

impl<R: Runtime> SessionCore<R> {
    /// Whether a destroy would begin.
    ///
    /// # Errors
    /// The state does not allow it.
    pub fn check_destroy(&self) -> Result<(), Problem> {
        let checked = self.lifecycle.check_destroy();
        checked.map_err(|refusal| self.refusal(refusal))
    }

    /// How far it is on its way to its turn.
    #[must_use]
    pub fn awaited_turn(&self) -> AwaitedTurn {
        match self.lifecycle.destroy() {
            Some(destroy) if destroy.waits_for_turn && self.rescan.is_ready => AwaitedTurn::Ready,
            Some(destroy) if destroy.waits_for_turn => AwaitedTurn::InUse,
            _ => AwaitedTurn::None,
        }
    }

    /// Refuses the destroy that waits for its turn.
    pub(crate) fn withdraw(&mut self, turn: &mut Turn<'_, R>, problem: Problem) {
        if self.awaited_turn() == AwaitedTurn::None {
            return;
        }
        if let Some(destroy) = self.lifecycle.withdraw_destroy() {
            self.rescan.is_ready = false;
            self.audit.forget(StepName::DestroyRequested);
            let (code, reason) = (problem.code, problem.detail.clone());
            let requester = destroy.who.clone();
            turn.effects.note(Note::NotDestroyed {
                requester,
                code,
                reason,
            });
            refuse_with_users(turn, destroy, problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AwaitedTurn::{InUse, None, Ready};
    use super::*;

    #[test]
    fn group_ends_in_one_step_when_the_last_member_is_ready() {
        let step = |turns| end_of_group(turns, GroupEvent::Ready);
        assert_eq!(step(&[(1, Ready), (2, InUse)]), GroupStep::Wait);
        // One that refused its own destroy, or was started again, stays: so do the others.
        assert_eq!(step(&[(1, Ready), (2, None)]), GroupStep::Wait);
        let all = GroupStep::End(vec![1, 2, 3]);
        assert_eq!(step(&[(1, Ready), (2, Ready), (3, Ready)]), all);
        assert_eq!(step(&[(7, Ready)]), GroupStep::End(vec![7]));
    }

    #[test]
    fn boundary_is_the_first_whole_period_from_a_time_on() {
        let ntsc = |n: u64| u64::try_from(u128::from(n) * 1001 * 1_000_000_000 / 60_000).unwrap();
        let whole = |n: u64| n * 20_000_000;
        for number in [0, 1, 2, 107_892_107_000, 107_892_107_001] {
            for period_ns in [ntsc as fn(u64) -> u64, whole] {
                let (at, next) = (period_ns(number), period_ns(number + 1));
                assert_eq!(boundary_from(period_ns, at), at);
                assert_eq!(boundary_from(period_ns, at + 1), next);
                assert_eq!(boundary_from(period_ns, next - 1), next);
            }
        }
    }

    #[test]
    fn member_that_stays_then_those_that_wait_stay_too() {
        let step = |turns| end_of_group(turns, GroupEvent::GaveUp);
        let both = GroupStep::Withdraw(vec![2, 3]);
        assert_eq!(step(&[(1, None), (2, Ready), (3, InUse)]), both);
        assert_eq!(step(&[(1, None), (2, None)]), GroupStep::Wait);
        assert_eq!(step(&[]), GroupStep::Wait);
    }
}
