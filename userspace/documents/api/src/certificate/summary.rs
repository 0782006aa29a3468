//! Certificates in a list.

use serde::{Deserialize, Serialize};

use super::{Certificate, Memory, Operation};
use crate::id::{SessionId, SessionName};
use crate::time::Timestamp;
use crate::who::Who;

/// A certificate in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateSummary {
    /// The session.
    pub session: SessionId,
    /// Its name.
    pub name: SessionName,
    /// The operation that destroyed it.
    pub operation: Operation,
    /// The requester.
    pub requester: Who,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Whether the memory was returned.
    pub memory: Memory,
    /// Number of reconciliations.
    pub reconciled: u64,
    /// Number of disagreements.
    pub disagreements: u64,
}

/// Answer of `GET /v1/certificates`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CertificateList {
    /// Stored certificates, newest first.
    pub certificates: Vec<CertificateSummary>,
}

impl Certificate {
    /// The short form for lists.
    #[must_use]
    pub fn summary(&self) -> CertificateSummary {
        CertificateSummary {
            session: self.session,
            name: self.name.clone(),
            operation: self.operation,
            requester: self.requester.clone(),
            issued_at: self.issued_at,
            memory: self.memory.clone(),
            reconciled: self.counts.reconciliations,
            disagreements: self.disagreements.len() as u64,
        }
    }
}
