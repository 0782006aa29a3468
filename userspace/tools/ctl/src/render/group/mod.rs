//! Groups.

use std::time::Duration;

use onair_api::{CertificateList, GroupEnded, GroupList, GroupView, SessionState};

use crate::render::session::{signal, state};
use crate::render::{cell, certificate, columns, human, or_dash};

/// A skew with its sign, or a dash.
fn skew(ns: Option<i64>) -> String {
    or_dash(ns.map(|ns| {
        let sign = if ns < 0 { "-" } else { "" };
        format!("{sign}{}", human(Duration::from_nanos(ns.unsigned_abs())))
    }))
}

/// Answer of `list`.
pub(crate) fn list(list: &GroupList) -> String {
    if list.groups.is_empty() {
        return "No groups. `onairctl group create --help` shows how to make one.\n".to_owned();
    }
    columns(
        &list.groups,
        &[
            ("GROUP", |group| cell(&group.name)),
            ("RUNNING", |group| {
                let members = group.members.iter();
                let running = members.filter(|it| it.session.state == SessionState::Running);
                cell(format!("{}/{}", running.count(), group.members.len()))
            }),
            ("MEMBERS", |group| {
                let names = group.members.iter().map(|it| it.session.name.as_str());
                cell(names.collect::<Vec<_>>().join(", "))
            }),
        ],
    )
}

/// Answer of `create`, `show`, `start`, `stop` and `retarget`.
pub(crate) fn one(group: &GroupView) -> String {
    let mut text = columns(
        &group.members,
        &[
            ("MEMBER", |it| cell(&it.session.name)),
            ("ID", |it| cell(it.session.id)),
            ("STATE", |it| state(it.session.state)),
            ("SIGNAL", |it| signal::lamp(&it.session)),
            ("DIRECTION", |it| cell(it.session.direction)),
            ("PORT", |it| cell(&it.session.port)),
            ("FORMAT", |it| cell(it.session.format())),
            ("DESTINATION", |it| cell(&it.session.destination)),
            ("SKEW", |it| cell(skew(it.skew_ns))),
        ],
    );
    for member in &group.members {
        for note in &member.notes {
            text += &format!("noted of {}: {note}\n", member.session.name);
        }
    }
    text
}

/// Answer of `destroy`.
pub(crate) fn ended(ended: &GroupEnded) -> String {
    let mut text = format!("Group {} is destroyed. Its certificates:\n\n", ended.name);
    let certificates = ended.certificates.clone();
    text += &certificate::list(&CertificateList { certificates }, false);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_of_either_sign_then_in_units_for_people() {
        for (ns, text) in [
            (None, "-"),
            (Some(0), "0s"),
            (Some(-10_000_000), "-10ms"),
            (Some(6_666_667), "6.7ms"),
        ] {
            assert_eq!(skew(ns), text);
        }
    }
}
