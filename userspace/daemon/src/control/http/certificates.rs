//! Certificates: one session's, and all that are kept.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use onair_api::{Certificate, CertificateList};

use super::refusal::{OfAll, OfCertificate, Refusal};
use super::router::Api;
use super::sessions::which;
use crate::control::authority::Right;
use crate::control::peer::Peer;

/// The proof that a session was off air when it was destroyed.
#[utoipa::path(get, path = "/v1/sessions/{id}/certificate", tag = "certificates",
    operation_id = "show_certificate",
    params(("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", description = "A session's id, or a name: the last of that name.")),
    responses((status = 200, description = "The certificate.", body = Certificate), OfCertificate))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Certificate>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Read)?;
    Ok(Json(*api.handle.certificate(caller, which(path)?).await?))
}

/// Every certificate that is kept.
#[utoipa::path(get, path = "/v1/certificates", tag = "certificates", operation_id = "list_certificates",
    responses((status = 200, description = "Certificates, newest first.", body = CertificateList), OfAll))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<CertificateList>, Refusal> {
    api.authority.admit_all(&peer, Right::Read)?;
    Ok(Json(api.handle.certificates().await?))
}
