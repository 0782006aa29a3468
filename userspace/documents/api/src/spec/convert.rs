//! Which session's frames a converted session has, and in which layout.

use serde::{Deserialize, Serialize};

use super::invalid::{Invalid, shown};
use crate::id::SessionName;

/// Longest name of a layout, in bytes.
const MAX_LAYOUT: usize = 32;

/// Which session's frames are converted, and to what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Convert {
    /// Name of a receive session of the daemon, its source. If no session has that name any more, the
    /// converted session gets no frames; it looks for its source again when it is stopped or started.
    pub from: SessionName,
    /// Layout of the buffers, by the name that FFmpeg or GStreamer has for it, such as `v210`. It has the
    /// components and the depth of the source's video.
    #[cfg_attr(
        feature = "openapi",
        schema(pattern = "^[A-Za-z0-9_]{1,32}$", examples("v210"))
    )]
    pub layout: String,
    /// Set by the daemon, whatever a request says: the creator may attach to sessions of this user only, so
    /// the source is one of them. Absent: any session may be the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_owner: Option<u32>,
}

impl Convert {
    /// Whether a session of the user `owner` may be the source.
    #[must_use]
    pub fn may_have(&self, owner: u32) -> bool {
        self.source_owner.is_none_or(|uid| uid == owner)
    }
}

/// A layout that may exist: the daemon knows which do.
pub(super) fn check_layout(layout: &str) -> Result<(), Invalid> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if layout.is_empty() || layout.len() > MAX_LAYOUT || !layout.bytes().all(plain) {
        return Err(Invalid::Layout(shown(layout)));
    }
    Ok(())
}
