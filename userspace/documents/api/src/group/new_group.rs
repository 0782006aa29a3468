//! A group to be created.

use serde::{Deserialize, Serialize};

use crate::group_name::GroupName;
use crate::spec::{
    NewSession, NewSessionDocument, NewSessionError, SessionSpec, SpecError, SpecErrors,
};

/// Most members of a group.
pub const MAX_MEMBERS: usize = 32;

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
}
