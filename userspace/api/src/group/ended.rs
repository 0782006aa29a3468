//! The end of a group.

use serde::{Deserialize, Serialize};

use crate::certificate::CertificateSummary;
use crate::group_name::GroupName;

/// Answer to the request that destroyed a group: its name is free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GroupEnded {
    /// Its name.
    pub name: GroupName,
    /// Each member's own certificate, which `GET /v1/sessions/{id}/certificate` shows.
    pub certificates: Vec<CertificateSummary>,
}
