//! A group, as the API shows it.

use serde::{Deserialize, Serialize};

use crate::group_name::GroupName;
use crate::session::ListedSession;

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
    /// The TAI time, by its RTP timestamp, of its newest unit (frame, block, unit of ANC data) minus that of the
    /// first member that has one, in nanoseconds. Of members in step it is nearer to 0 than one unit of the longer
    /// kind. Absent unless the session is running and has received or sent a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew_ns: Option<i64>,
}

impl GroupView {
    /// The group of these members; `newest_tai_ns`: the TAI time of the newest unit of each.
    pub fn of(
        name: GroupName,
        members: impl IntoIterator<Item = (ListedSession, Option<u64>)>,
    ) -> Self {
        let mut first = None;
        let members = members.into_iter().map(|(session, newest_tai_ns)| {
            let skew_ns = newest_tai_ns.map(|newest| {
                let first = *first.get_or_insert(newest);
                newest.wrapping_sub(first).cast_signed()
            });
            GroupMember { session, skew_ns }
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
