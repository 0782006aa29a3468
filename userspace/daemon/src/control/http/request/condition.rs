//! Conditional requests: `If-Match` (RFC 9110 §13.1.1).

use axum::http::{HeaderMap, header};
use onair_api::ProblemCode;
use onair_api::operations::{Method, OperationEntry};

use crate::control::http::refusal::Refusal;

/// The entity tags of which the session must have one; empty: any.
pub(crate) fn if_match(
    headers: &HeaderMap,
    entry: &OperationEntry,
) -> Result<Vec<String>, Refusal> {
    let mut tags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        if !entry.is_conditional() {
            let detail = match entry.method {
                Method::Get => "a request that changes nothing takes no If-Match: leave it out",
                _ => "this path has no entity tag: leave If-Match out",
            };
            return Err(Refusal::new(ProblemCode::InvalidRequest, detail));
        }
        let text = value.to_str().unwrap_or_default();
        tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    let is_tag = |tag: &str| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
    if let Some(wrong) = tags.iter().find(|tag| *tag != "*" && !is_tag(tag)) {
        let wrong: String = wrong.chars().take(40).collect();
        let detail = format!("If-Match has {wrong:?}: give the ETag of an answer, in quotes, or *");
        return Err(Refusal::new(ProblemCode::InvalidRequest, detail));
    }
    if tags.iter().any(|tag| tag == "*") {
        tags.clear();
    }
    Ok(tags)
}
