//! Operations on certificates.

use super::entry::{any, get, this};
use super::target::LAST_SESSION;
use super::{Right, operations};
use crate::problem::ProblemCode::CertificatePending;
use crate::{Certificate, CertificateList, CertificateQuery, SessionRef};

operations! { CERTIFICATES "certificates":
    /// Shows the proof that a session was off air when it was destroyed.
    ShowCertificate(SessionRef, ()) -> Certificate as Box<Certificate>:
        get("/v1/sessions/{id}/certificate", this(Right::Read)).about(LAST_SESSION)
            .answers("The certificate.").fails(&[CertificatePending]);

    /// Shows one certificate: the same as `GET /v1/sessions/{id}/certificate`.
    ShowKeptCertificate(SessionRef, ()) -> Certificate as Box<Certificate>:
        get("/v1/certificates/{id}", this(Right::Read)).about(LAST_SESSION)
            .answers("The certificate.").fails(&[CertificatePending]);

    /// Lists stored certificates, or those that match the search.
    ListCertificates((), CertificateQuery) -> CertificateList:
        get("/v1/certificates", any(Right::Read)).answers("Certificates, newest first.");
}
