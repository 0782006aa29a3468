//! A change of how a session's packets are sent.

use serde::{Deserialize, Serialize};

use super::JpegXsDocument;
use crate::essence::Patch;
use crate::video::SenderType;

/// The changed spread of the packets (ST 2110-21); each field as in the session's specification, and `null` for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct JpegXsPatch {
    /// How the packets are spread, or what the sender says of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<SenderType>))]
    pub sender_type: Option<Option<SenderType>>,
    /// Most packets that the network model may hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present_number")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, minimum = 1))]
    pub cmax: Option<Option<u32>>,
}

impl Patch<JpegXsDocument> for JpegXsPatch {
    fn apply(&self, document: &mut JpegXsDocument) {
        document.sender_type = self.sender_type.unwrap_or(document.sender_type);
        document.cmax = self.cmax.unwrap_or(document.cmax);
    }
}
