//! A change of how a session's packets are sent.

use serde::{Deserialize, Serialize};

use super::JpegXsDocument;
use crate::essence::Patch;
use crate::jpeg_xs::CompressedStandard;
use crate::video::{Colorimetry, PixelAspect, SenderType, TransferCharacteristics, VideoRange};

/// The changed spread of the packets (ST 2110-21), and what is said of the pictures; each field as in the session's specification, and `null` for none.
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
    /// Colour primaries and matrix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Colorimetry>))]
    pub colorimetry: Option<Option<Colorimetry>>,
    /// Transfer characteristic system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<TransferCharacteristics>))]
    pub transfer: Option<Option<TransferCharacteristics>>,
    /// Range of the code values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<VideoRange>))]
    pub range: Option<Option<VideoRange>>,
    /// Width of a pixel to its height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub pixel_aspect: Option<Option<PixelAspect>>,
    /// Year of the version of the standard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<CompressedStandard>))]
    pub standard: Option<Option<CompressedStandard>>,
}

impl Patch<JpegXsDocument> for JpegXsPatch {
    fn apply(&self, document: &mut JpegXsDocument) {
        document.sender_type = self.sender_type.unwrap_or(document.sender_type);
        document.cmax = self.cmax.unwrap_or(document.cmax);
        document.colorimetry = self.colorimetry.unwrap_or(document.colorimetry);
        document.transfer = self.transfer.unwrap_or(document.transfer);
        document.range = self.range.unwrap_or(document.range);
        document.pixel_aspect = self.pixel_aspect.unwrap_or(document.pixel_aspect);
        document.standard = self.standard.unwrap_or(document.standard);
    }
}
