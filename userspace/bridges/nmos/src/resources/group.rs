//! BCP-002-01: the members of a group of sessions, by their roles in it.

use std::collections::{BTreeMap, HashMap};

use onair_api::{SessionName, SessionView};

use crate::essence::role;

/// The tag's name.
pub(super) const TAG: &str = "urn:x-nmos:tag:grouphint/v1.0";

/// The tag of each session that is a member of a group: `studio:Video 1`. A controller connects two groups by the roles
/// that both have, so members are numbered by essence, in the order of their names.
pub(super) fn roles(sessions: &[&SessionView]) -> HashMap<SessionName, String> {
    let members = sessions.iter().filter_map(|it| {
        let group = it.member_of.as_ref()?;
        Some(((group, role(it.format.kind())), &it.name))
    });
    let mut of_role: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (role, name) in members {
        of_role.entry(role).or_default().push(name);
    }
    let mut tags = HashMap::new();
    for ((group, role), mut names) in of_role {
        names.sort();
        for (name, number) in names.into_iter().zip(1..) {
            tags.insert(name.clone(), format!("{group}:{role} {number}"));
        }
    }
    tags
}
