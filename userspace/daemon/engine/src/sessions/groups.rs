//! Groups: their members, and their view in the API. A group has no state of its own: it is a name that its members
//! have.

use std::collections::BTreeMap;

use onair_api::{GroupList, GroupName, GroupView, Problem, ProblemCode, SessionName, SessionView};
use onair_dataplane::MediaClock;

use super::Sessions;
use crate::session::Session;

impl Sessions {
    /// The members of a group, oldest first.
    pub fn members<'a>(&'a self, group: &'a GroupName) -> impl Iterator<Item = &'a Session> {
        let all = self.living();
        all.filter(move |it| it.member_of.as_ref() == Some(group))
    }

    /// Whether no group has this name.
    ///
    /// # Errors
    /// `name_taken`.
    pub fn check_new_group(&self, group: &GroupName) -> Result<(), Problem> {
        if self.members(group).next().is_none() {
            return Ok(());
        }
        let detail = format!("a group named {group} exists");
        Err(Problem::new(ProblemCode::NameTaken, detail))
    }

    /// The group as the API shows it.
    pub fn group_view(&self, group: &GroupName, clock: &MediaClock) -> GroupView {
        let members = self.members(group).map(|it| member(it, clock));
        GroupView::of(group.clone(), members)
    }

    /// All groups.
    pub fn groups(&self, clock: &MediaClock) -> GroupList {
        let mut groups: BTreeMap<&GroupName, Vec<_>> = BTreeMap::new();
        for session in self.living() {
            if let Some(group) = &session.member_of {
                let members = groups.entry(group).or_default();
                members.push(member(session, clock));
            }
        }
        let groups = groups.into_iter();
        GroupList {
            groups: groups
                .map(|(name, members)| GroupView::of(name.clone(), members))
                .collect(),
        }
    }
}

fn member(session: &Session, clock: &MediaClock) -> (SessionView, Option<i64>) {
    (session.shown().view(), session.shown().delay_ns(clock))
}

/// The group after a request that each of these members answered.
pub fn group_of(name: GroupName, views: Vec<SessionView>) -> GroupView {
    GroupView::of(name, views.into_iter().map(|view| (view, None)))
}

/// The problem of one member as that of the request about its group.
#[must_use]
pub fn of_member(member: &SessionName, problem: Problem) -> Problem {
    Problem {
        detail: format!("member {member}: {}", problem.detail),
        ..problem
    }
}

/// The answer to a request that some members refused: the first with a verdict of the witnesses, else
/// the first with another code than `busy` (which the members that are withdrawn have), else the first; with the
/// users of all.
#[must_use]
pub fn refusal(refusals: Vec<Problem>) -> Option<Problem> {
    let blockers = refusals.iter().flat_map(|it| it.blockers.clone());
    let blockers: Vec<_> = blockers.collect();
    let find = |is_decisive: fn(&Problem) -> bool| refusals.iter().position(is_decisive);
    let decisive = find(|it| it.verdict.is_some());
    let decisive = decisive.or_else(|| find(|it| it.code != ProblemCode::Busy));
    let problem = refusals.into_iter().nth(decisive.unwrap_or_default())?;
    Some(problem.with_blockers(blockers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_members_then_the_decisive_one_is_told() {
        assert_eq!(refusal(Vec::new()), None);
        let of = |code, detail: &str| Problem::new(code, detail);
        let withdrawn = of(ProblemCode::Busy, "another member is in use");
        let verdict = onair_api::Verdict {
            destroyable: false,
            disagreement: false,
            reason: "a caller".into(),
            at: onair_api::Timestamp::now(),
            readings: Vec::new(),
        };
        let in_use = of(ProblemCode::DeadlinePassed, "in use").with_verdict(verdict);
        let found = refusal(vec![withdrawn.clone(), in_use.clone()]);
        assert_eq!(found, Some(in_use));
        let down = of(ProblemCode::PollerDown, "its poller stands");
        let found = refusal(vec![withdrawn.clone(), down.clone()]);
        assert_eq!(found, Some(down));
        assert_eq!(refusal(vec![withdrawn.clone()]), Some(withdrawn));
        let name = "sound".parse().unwrap();
        let named = of_member(&name, of(ProblemCode::NoSuchPort, "no port x"));
        assert_eq!(named.detail, "member sound: no port x");
    }
}
