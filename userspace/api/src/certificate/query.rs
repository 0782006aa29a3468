//! Searches among the stored certificates.

use super::{Certificate, Operation};
use crate::id::SessionRef;
use crate::time::Timestamp;

/// A search. A certificate matches if it meets every given criterion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateQuery {
    /// Only this session: an id, or a name (every session of that name).
    pub session: Option<SessionRef>,
    /// Only this operation.
    pub operation: Option<Operation>,
    /// Only issued then or later.
    pub since: Option<Timestamp>,
    /// At most this many, newest first.
    pub limit: Option<usize>,
}

impl CertificateQuery {
    /// Maximum number of certificates in one answer.
    pub const MOST: usize = 100_000;

    /// Whether a certificate matches, the limit aside.
    #[must_use]
    pub fn wants(&self, certificate: &Certificate) -> bool {
        let of_session = self.session.as_ref().is_none_or(|session| match session {
            SessionRef::Id(id) => certificate.session == *id,
            SessionRef::Name(name) => certificate.name == *name,
        });
        let is_operation = |operation| certificate.operation == operation;
        let is_later = |since| certificate.issued_at >= since;
        of_session && self.operation.is_none_or(is_operation) && self.since.is_none_or(is_later)
    }
}
