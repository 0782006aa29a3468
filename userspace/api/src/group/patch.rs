//! Other addresses for members of a group.

use serde::{Deserialize, Serialize};

use crate::id::SessionName;
use crate::spec::SessionPatch;

/// Body of `PATCH /v1/groups/{group}`: members that it does not name stay as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct GroupPatch {
    /// The changes, at least one; of a member one at most.
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub sessions: Vec<MemberPatch>,
}

/// The changes of one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// The member.
    pub name: SessionName,
    /// As the body of `PATCH /v1/sessions/{id}`.
    pub change: SessionPatch,
}
