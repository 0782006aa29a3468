//! The proof that a session was off air when it was destroyed.

use std::fmt;

/// The proof that a session was off air when it was destroyed, as the daemon issued it: the
/// document of `GET /v1/sessions/{id}/certificate`. The daemon completes its memory part later,
/// after this process has released the memory.
///
/// ```no_run
/// # fn end(session: &onair::Session) -> Result<(), Box<dyn std::error::Error>> {
/// session.stop();
/// let certificate = session.destroy()?;
/// std::fs::write("studio.json", certificate.to_string())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate(pub(crate) serde_json::Value);

impl Certificate {
    /// The document as received. It is kept even if a newer daemon wrote it in a format that this
    /// library does not know, because the session is gone in any case.
    #[must_use]
    pub fn document(&self) -> &serde_json::Value {
        &self.0
    }

    /// The document, typed.
    ///
    /// # Errors
    /// If this library does not know its format; [`Certificate::document`] still returns it.
    pub fn read(&self) -> Result<onair_api::Certificate, serde_json::Error> {
        serde_json::from_value(self.0.clone())
    }
}

impl fmt::Display for Certificate {
    /// The document, indented.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}
