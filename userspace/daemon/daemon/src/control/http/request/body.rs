//! Request bodies: JSON with known fields only, or none.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use onair_api::{Problem, ProblemCode, SpecError};
use onair_essence::objects::Objects;
use serde::de::DeserializeOwned;

use crate::control::http::limits::Limits;
use crate::control::http::refusal::Refusal;

/// A JSON body.
pub(crate) async fn document<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
) -> Result<T, Refusal> {
    if !is_json(headers) {
        return Err(Refusal::new(
            ProblemCode::UnsupportedMediaType,
            format!(
                "the body's type is {}: send application/json",
                shown_type(headers)
            ),
        ));
    }
    parse(&read(headers, body, limits).await?)
}

/// No body, an empty one, or `{}`: a client that sends an option that does not exist gets an error.
pub(crate) async fn none(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<(), Refusal> {
    let bytes = read(headers, body, limits).await?;
    let text = bytes.trim_ascii();
    if text.is_empty() || text == b"{}" {
        return Ok(());
    }
    Err(Refusal::new(
        ProblemCode::InvalidRequest,
        format!(
            "this request takes no body, but has {} bytes: leave them out",
            bytes.len()
        ),
    ))
}

async fn read(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            ProblemCode::TooLarge,
            format!("the body is longer than {} bytes", limits.body_bytes),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.body_bytes as u64) {
        return Err(too_large());
    }
    let body = Limited::new(body, limits.body_bytes);
    match tokio::time::timeout(limits.body, body.collect()).await {
        Err(_) => Err(Refusal::new(
            ProblemCode::RequestTimeout,
            format!("the body was not complete after {:?}", limits.body),
        )),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Refusal::new(
            ProblemCode::InvalidRequest,
            format!("the body ended early: {error}"),
        )),
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let json = &mut serde_json::Deserializer::from_slice(bytes);
    let document = serde_path_to_error::deserialize(Objects(&mut *json)).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if !inner.is_data() {
            return not_json(&inner);
        }
        let field = if path == "." { String::new() } else { path };
        let detail = match field.as_str() {
            "" => inner.to_string(),
            field => format!("{field}: {inner}"),
        };
        let problem = SpecError::new(field, inner.to_string());
        Refusal(Problem::new(ProblemCode::InvalidRequest, detail).with_errors(vec![problem]))
    })?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(document)
}

fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal::new(
        ProblemCode::InvalidRequest,
        format!("the body is no JSON document: {error}"),
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn shown_type(headers: &HeaderMap) -> String {
    match headers.get(header::CONTENT_TYPE) {
        None => "not given".to_owned(),
        Some(value) => format!("{:?}", String::from_utf8_lossy(value.as_bytes()))
            .chars()
            .take(80)
            .collect(),
    }
}
