//! A change of how a session's packets are sent.

use serde::{Deserialize, Serialize};

use super::VideoDocument;
use crate::essence::Patch;
use crate::video::{
    Colorimetry, PixelAspect, SenderType, TransferCharacteristics, VideoRange, VideoStandard,
};

/// The changed timing of the packets (ST 2110-21), and what is said of the pictures; each field as in the session's specification, and `null` for
/// none: a sender then has the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VideoPatch {
    /// How the packets are spread, or what the sender says of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<SenderType>))]
    pub sender_type: Option<Option<SenderType>>,
    /// TROFFSET in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::present_number")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, maximum = 999_999))]
    pub tr_offset_us: Option<Option<u32>>,
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
    #[cfg_attr(feature = "openapi", schema(value_type = Option<VideoStandard>))]
    pub standard: Option<Option<VideoStandard>>,
}

impl Patch<VideoDocument> for VideoPatch {
    fn apply(&self, video: &mut VideoDocument) {
        video.sender_type = self.sender_type.unwrap_or(video.sender_type);
        video.tr_offset_us = self.tr_offset_us.unwrap_or(video.tr_offset_us);
        video.cmax = self.cmax.unwrap_or(video.cmax);
        video.colorimetry = self.colorimetry.unwrap_or(video.colorimetry);
        video.transfer = self.transfer.unwrap_or(video.transfer);
        video.range = self.range.unwrap_or(video.range);
        video.pixel_aspect = self.pixel_aspect.unwrap_or(video.pixel_aspect);
        video.standard = self.standard.unwrap_or(video.standard);
    }
}
