//! Why a description is not a session's.

use crate::carried::streams::NoneChosen;
use crate::error::SdpError;

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
