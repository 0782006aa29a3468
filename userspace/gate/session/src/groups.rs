//! The end of a group: sessions that are destroyed in one step, once none of them has a user, or not at all.
//!
//! Each drains by itself and waits for its turn. No session knows of the others.

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

/// An event of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// It has no user any more.
    Ready,
    /// It is not destroyed: its time has passed, it has users, or its requester has gone.
    GaveUp,
}

/// A step for members.
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
