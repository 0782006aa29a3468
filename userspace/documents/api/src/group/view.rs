//! A group, as the API shows it, changes it and ends it.

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateSummary;
use crate::group_name::GroupName;
use crate::id::SessionName;
use crate::session::{ListedSession, SessionView};
use crate::spec::{DescriptionNote, SessionPatch};

/// Members that are apart by less are in step.
const IN_STEP_NS: u64 = 5_000_000;

/// A group: it exists as long as it has a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupView {
    /// Its name.
    pub name: GroupName,
    /// Its members, oldest first. A session that is destroyed or quarantined leaves.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupMember {
    /// The session.
    #[serde(flatten)]
    pub session: ListedSession,
    /// How much later than those of this member the units (frame, block, unit of ANC data) of the first member that has
    /// some come after the times of their RTP timestamps, in nanoseconds, in the last second: above 0, this one is ahead.
    /// Less than 5 ms is 0: senders of different essences begin at other times. Absent unless the session is running
    /// and has received or sent a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ns: Option<i64>,
    /// Parts of its description that the session does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<DescriptionNote>,
}

impl GroupMember {
    /// [`Self::skew_ns`] of a member, by how long after the times of their timestamps the first one's units and its own
    /// come.
    #[must_use]
    pub const fn skew_of(first_ns: i64, own_ns: i64) -> i64 {
        let skew_ns = first_ns.saturating_sub(own_ns);
        match skew_ns.unsigned_abs() {
            0..IN_STEP_NS => 0,
            _ => skew_ns,
        }
    }
}

impl GroupView {
    /// The group of these members, each with how long after the times of their timestamps its units come.
    pub fn of(
        name: GroupName,
        members: impl IntoIterator<Item = (SessionView, Option<i64>)>,
    ) -> Self {
        let mut first = None;
        let members = members.into_iter().map(|(view, delay_ns)| {
            let skew_ns = delay_ns.map(|own_ns| {
                let first_ns = *first.get_or_insert(own_ns);
                GroupMember::skew_of(first_ns, own_ns)
            });
            GroupMember {
                session: ListedSession::from(&view),
                skew_ns,
                notes: view.notes,
            }
        });
        let members = members.collect();
        Self { name, members }
    }
}

/// Answer of `GET /v1/groups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupList {
    /// The groups, by name.
    pub groups: Vec<GroupView>,
}

/// Answer to the request that destroyed a group: its name is free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupEnded {
    /// Its name.
    pub name: GroupName,
    /// Each member's own certificate, which `GET /v1/sessions/{id}/certificate` shows.
    pub certificates: Vec<CertificateSummary>,
}

/// Body of `PATCH /v1/groups/{group}` and `PATCH /v1/sessions`: sessions that it does not name stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    /// The changes, 1 to 256; of a session one at most.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 256))]
    pub sessions: Vec<MemberPatch>,
    /// When they change, as `at_tai_ns` of a session's change. Absent: where the next unit of the slowest of them begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_tai_ns: Option<u64>,
}

impl GroupPatch {
    /// Most changes.
    pub const MOST: usize = 256;
}

/// The changes of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// The session.
    pub name: SessionName,
    /// As the body of `PATCH /v1/sessions/{id}`, without `at_tai_ns`, `running` and `rejoin`.
    pub change: SessionPatch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_in_step_have_no_skew_and_others_have_a_sign() {
        const MS: i64 = 1_000_000;
        // A frame begins 1.5 ms after its time, a packet of audio comes 1 ms after its first sample.
        for (first, own, skew) in [
            (3 * MS / 2, MS, 0),
            (MS, 21 * MS, -20 * MS),
            (21 * MS, MS, 20 * MS),
            (i64::MIN, i64::MAX, i64::MIN),
        ] {
            assert_eq!(GroupMember::skew_of(first, own), skew);
        }
    }
}
