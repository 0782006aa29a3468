//! A session description's format and flow, and the changes that it makes to a session of the same format.

mod described;
mod same_format;

use crate::carried::streams::NoneChosen;
use crate::error::SdpError;

pub use described::DescribedLeg;
pub use described::{Described, Text};
pub use same_format::frame_rate;

/// `source` and `sources` of a document.
#[must_use]
pub fn one_or_several(sources: Vec<String>) -> (Option<String>, Option<Vec<String>>) {
    match <[String; 1]>::try_from(sources) {
        Ok([one]) => (Some(one), None),
        Err(none) if none.is_empty() => (None, None),
        Err(several) => (None, Some(several)),
    }
}

/// `source` and `sources` of a change.
type ChangedSources = (Option<Option<String>>, Option<Option<Vec<String>>>);

/// As [`one_or_several`], of a change: no source means any.
#[must_use]
pub fn changed_sources(sources: Vec<String>) -> ChangedSources {
    match one_or_several(sources) {
        (one, None) => (Some(one), None),
        (_, several) => (None, Some(several)),
    }
}

/// Why a description cannot be used for a session. Each names the description.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It is not read.
    #[error("{name}: {error}")]
    Unread {
        /// The description's.
        name: String,
        /// Why.
        error: SdpError,
    },
    /// None or several of its streams are meant.
    #[error("{name}: {error}{hint}")]
    NoneChosen {
        /// The description's.
        name: String,
        /// Why.
        error: Box<NoneChosen>,
        /// The remedy for several, after a colon.
        hint: String,
    },
    /// It, or the session's, is no valid format.
    #[error("{name}: {error}")]
    Invalid {
        /// The description's.
        name: String,
        /// Why.
        error: String,
    },
    /// Its format is another one.
    #[error("{name} describes {its}, but the session has {own}: create another session for it")]
    OtherFormat {
        /// The description's.
        name: String,
        /// Its format.
        its: String,
        /// The session's.
        own: String,
    },
    /// It has no stream of the session's essence.
    #[error("{name} describes no {essence}")]
    NoEssence {
        /// The description's.
        name: String,
        /// The session's essence.
        essence: &'static str,
    },
}
