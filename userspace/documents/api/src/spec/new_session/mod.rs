//! A session to be created: of packets, local, or of another session's frames.

mod converted;
mod document;

use serde::{Deserialize, Serialize};

use super::{Direction, SessionSpec, SpecErrors};

pub use converted::ConvertedSession;
pub use document::{NewSessionDocument, SpecDocument};

/// A session to be created, checked as far as that is possible without its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "NewSessionDocument", try_from = "NewSessionDocument")]
pub enum NewSession {
    /// It receives or sends packets, or is local.
    Complete(Box<SessionSpec>),
    /// It converts the frames of another session.
    Converted(Box<ConvertedSession>),
}

/// Why a document is no session to be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub enum NewSessionError {
    /// Fields that are missing.
    Missing(SpecErrors),
    /// Fields that are invalid.
    Invalid(#[from] SpecErrors),
}

/// Checks every field.
impl TryFrom<NewSessionDocument> for NewSession {
    type Error = NewSessionError;

    fn try_from(document: NewSessionDocument) -> Result<Self, NewSessionError> {
        if document.convert.is_some() {
            let converted = ConvertedSession::try_from(document)?;
            return Ok(Self::Converted(Box::new(converted)));
        }
        if document.direction == Some(Direction::Local) {
            document.check_local()?;
        }
        let document = document.complete().map_err(NewSessionError::Missing)?;
        Ok(SessionSpec::try_from(document)?.into())
    }
}

impl From<NewSession> for NewSessionDocument {
    fn from(session: NewSession) -> Self {
        match session {
            NewSession::Complete(spec) => SpecDocument::from(*spec).into(),
            NewSession::Converted(converted) => (*converted).into(),
        }
    }
}

impl From<SessionSpec> for NewSession {
    fn from(spec: SessionSpec) -> Self {
        Self::Complete(Box::new(spec))
    }
}
