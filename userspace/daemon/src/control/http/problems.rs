//! `/v1/problems`: the target of a problem's `type`.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use onair_types::{ProblemCode, ProblemPage};

use super::refusal::{OfPage, Plain, Refusal};

/// Lists every problem code.
#[utoipa::path(get, path = "/v1/problems", tag = "daemon", operation_id = "list_problems",
    responses((status = 200, description = "Codes with their meaning.", body = Vec<ProblemPage>), Plain))]
pub(super) async fn list() -> Json<Vec<ProblemPage>> {
    Json(ProblemCode::ALL.iter().map(|&code| code.into()).collect())
}

/// Shows what one code means and what to do about it.
#[utoipa::path(get, path = "/v1/problems/{code}", tag = "daemon", operation_id = "show_problem",
    params(("code" = String, Path, description = "A problem's code.")),
    responses((status = 200, description = "The code's meaning.", body = ProblemPage), OfPage))]
pub(super) async fn show(
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<ProblemPage>, Refusal> {
    let Path(word) = path.map_err(|e| Refusal::new(ProblemCode::InvalidRequest, e.body_text()))?;
    let code = ProblemCode::ALL.iter().find(|code| code.as_str() == word);
    let word: String = word.chars().take(40).collect();
    code.map(|&code| Json(code.into())).ok_or_else(|| {
        Refusal::new(
            ProblemCode::NotFound,
            format!("{word:?} is not a problem code; GET /v1/problems lists them"),
        )
    })
}
