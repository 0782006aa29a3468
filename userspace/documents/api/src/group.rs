//! Documents about a group: sessions of one programme, such as picture, sound and captions, that are created,
//! started, stopped, retargeted and destroyed together. What a member is as a session is in [`crate::session`].

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateSummary;
use crate::group_name::GroupName;
use crate::id::SessionName;
use crate::session::{ListedSession, SessionView};
use crate::spec::{
    DescriptionNote, NewSession, NewSessionDocument, NewSessionError, SessionPatch, SessionSpec,
    SpecError, SpecErrors,
};

/// Most members of a group.
pub const MAX_MEMBERS: usize = 32;
/// Members that are apart by less are in step.
const IN_STEP_NS: u64 = 5_000_000;

/// Body of `POST /v1/groups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = GroupSpec))]
pub struct NewGroupDocument {
    /// Unique among the groups that have members.
    #[cfg_attr(
        feature = "openapi",
        schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", examples("studio1"))
    )]
    pub name: String,
    /// The members, each as in `POST /v1/sessions`; none with `convert`. 1 to 32.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 32))]
    pub sessions: Vec<NewSessionDocument>,
}

/// A group to be created, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewGroup {
    /// Its name.
    pub name: GroupName,
    /// The members, in the order in which they are created.
    pub sessions: Vec<SessionSpec>,
}

/// Checks every field of every member. An error names a member's field as `sessions.NAME.FIELD`.
impl TryFrom<NewGroupDocument> for NewGroup {
    type Error = SpecErrors;

    fn try_from(document: NewGroupDocument) -> Result<Self, SpecErrors> {
        let mut errors = Vec::new();
        let name: Result<GroupName, _> = document.name.parse();
        if let Err(error) = &name {
            errors.push(SpecError::new("name", error.to_string()));
        }
        let count = document.sessions.len();
        if !(1..=MAX_MEMBERS).contains(&count) {
            let problem = format!("{count} members: give 1 to {MAX_MEMBERS}");
            errors.push(SpecError::new("sessions", problem));
        }
        let mut sessions = Vec::new();
        for session in document.sessions {
            match member(session) {
                Ok(spec) => sessions.push(spec),
                Err(more) => errors.extend(more),
            }
        }
        match name {
            Ok(name) if errors.is_empty() => Ok(Self { name, sessions }),
            _ => Err(SpecErrors(errors)),
        }
    }
}

fn member(document: NewSessionDocument) -> Result<SessionSpec, Vec<SpecError>> {
    let name = document.name.clone();
    let field = |field: &str| format!("sessions.{name}.{field}");
    match NewSession::try_from(document) {
        Ok(NewSession::Complete(spec)) if !spec.is_local() => Ok(*spec),
        Ok(other) => {
            let problem = "a member of a group has packets of its own";
            let wrong = match other {
                NewSession::Complete(_) => "direction",
                NewSession::Converted(_) => "convert",
            };
            Err(vec![SpecError::new(field(wrong), problem)])
        }
        Err(NewSessionError::Missing(errors) | NewSessionError::Invalid(errors)) => {
            let errors = errors.0.into_iter();
            Err(errors
                .map(|it| SpecError::new(field(&it.field), it.problem))
                .collect())
        }
    }
}

/// A group: it exists as long as it has a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupView {
    /// Its name.
    pub name: GroupName,
    /// Its members, oldest first. A session that is destroyed or quarantined leaves.
    pub members: Vec<GroupMember>,
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
    use serde_json::{Value, json};

    use super::*;

    fn fields(document: Value) -> Vec<String> {
        let document: NewGroupDocument = serde_json::from_value(document).unwrap();
        let errors = NewGroup::try_from(document).map_or_else(|it| it.0, |_| Vec::new());
        errors.into_iter().map(|it| it.field.to_string()).collect()
    }

    #[test]
    fn group_with_invalid_members_then_each_field_is_named() {
        let video = json!({"name": "picture", "direction": "receive", "port": "a",
        "video": {"width": 1280, "height": 720, "frame_rate": "50/1", "depth": 10},
        "flow": {"destination": "10.0.0.1:5004"}});
        let sound = json!({"name": "sound", "direction": "receive",
        "video": {"width": 1280, "height": 720, "frame_rate": "50/1", "depth": 10},
        "flow": {"destination": "10.0.0.1:5006"}});
        let converted = json!({"name": "v210", "convert": {"from": "picture", "layout": "v210"}});
        let group = |name: &str, sessions: Value| json!({"name": name, "sessions": sessions});
        assert!(fields(group("studio1", json!([video]))).is_empty());
        let found = fields(group("A", json!([video, sound, converted])));
        assert_eq!(
            found,
            ["name", "sessions.sound.port", "sessions.v210.convert"]
        );
        assert_eq!(fields(group("studio1", json!([]))), ["sessions"]);
    }

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
