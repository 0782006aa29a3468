//! Certificates: one session's, and searches in the stored ones.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use onair_types::{
    Certificate, CertificateList, CertificateQuery, Operation, Problem, ProblemCode, SpecError,
};
use serde::Deserialize;

use super::refusal::{OfAll, OfCertificate, Refusal};
use super::router::Api;
use super::which::Which;
use crate::authority::Right;
use crate::peer::Peer;

/// Maximum number of certificates in one answer.
const MOST: usize = 100_000;

/// Shows the proof that a session was off air when it was destroyed.
#[utoipa::path(get, path = "/v1/sessions/{id}/certificate", tag = "certificates",
    operation_id = "show_certificate",
    params(("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", description = "A session's id, or a name: the last of that name.")),
    responses((status = 200, description = "The certificate.", body = Certificate), OfCertificate))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    Which(session): Which,
) -> Result<Json<Certificate>, Refusal> {
    let caller = api.authority.admit(&peer, Right::Read)?;
    Ok(Json(*api.handle.certificate(caller, session).await?))
}

/// Shows one certificate: the same as `GET /v1/sessions/{id}/certificate`.
#[utoipa::path(get, path = "/v1/certificates/{id}", tag = "certificates",
    operation_id = "show_kept_certificate",
    params(("id" = String, Path, pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", description = "A session's id, or a name: the last of that name.")),
    responses((status = 200, description = "The certificate.", body = Certificate), OfCertificate))]
pub(super) async fn show_kept(
    state: State<Api>,
    peer: Extension<Peer>,
    which: Which,
) -> Result<Json<Certificate>, Refusal> {
    show(state, peer, which).await
}

/// The search parameters, not parsed yet.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    name: Option<String>,
    operation: Option<String>,
    since: Option<String>,
    limit: Option<String>,
}

/// Lists stored certificates, or those that match the search.
#[utoipa::path(get, path = "/v1/certificates", tag = "certificates", operation_id = "list_certificates",
    params(
        ("name" = Option<String>, Query, description = "A session's name or id."),
        ("operation" = Option<Operation>, Query, description = "The operation that destroyed the session."),
        ("since" = Option<String>, Query, format = DateTime, description = "Issued at this time or later (RFC 3339)."),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 100_000, description = "Maximum number; the newest ones."),
    ),
    responses((status = 200, description = "Certificates, newest first.", body = CertificateList), OfAll))]
pub(super) async fn list(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<CertificateList>, Refusal> {
    api.authority.admit_all(&peer, Right::Read)?;
    let Query(parameters) =
        parameters.map_err(|e| Refusal::new(ProblemCode::InvalidRequest, e.body_text()))?;
    Ok(Json(api.handle.certificates(parameters.read()?).await?))
}

impl Parameters {
    fn read(&self) -> Result<CertificateQuery, Refusal> {
        Ok(CertificateQuery {
            session: one("name", self.name.as_deref(), |text| {
                text.parse()
                    .map_err(|e: onair_types::id::IdError| e.to_string())
            })?,
            operation: one("operation", self.operation.as_deref(), |text| {
                serde_json::from_value(text.into()).map_err(|e| e.to_string())
            })?,
            since: one("since", self.since.as_deref(), |text| {
                serde_json::from_value(text.into()).map_err(|e| e.to_string())
            })?,
            limit: one("limit", self.limit.as_deref(), |text| {
                let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                limit.ok_or_else(|| format!("{text:?} is not a valid limit: give 1 to {MOST}"))
            })?,
        })
    }
}

/// One parameter, parsed; the error names the parameter.
fn one<T>(
    name: &str,
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Refusal> {
    text.map(parse).transpose().map_err(|problem| {
        let error = SpecError::new(name, problem);
        let problem = Problem::new(ProblemCode::InvalidRequest, error.to_string());
        Refusal(problem.with_errors(vec![error]))
    })
}
