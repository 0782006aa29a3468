//! Queries: which of the things that exist an answer has.

mod arriving;
mod certificate;
mod event;
mod recording;
mod session;

use std::fmt::Display;

use serde::de::DeserializeOwned;

use super::input::Sent;
use crate::problem::Problem;
use crate::spec::SpecError;

pub use arriving::ArrivingQuery;
pub use certificate::CertificateQuery;
pub use event::EventQuery;
pub use recording::RecordingQuery;
pub use session::SessionQuery;

/// The given fields of a query.
fn query<const N: usize>(fields: [(&'static str, Option<String>); N]) -> Sent {
    let given = fields.into_iter().filter_map(|(k, v)| Some((k, v?)));
    Sent::Query(given.collect())
}

/// A field of a query, parsed; the error names the field.
fn field<T, E: Display>(
    name: &str,
    text: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, Problem> {
    let parsed = text.as_deref().map(parse).transpose();
    parsed.map_err(|error| SpecError::new(name, error.to_string()).into())
}

/// Not a number of entries, or not one of the range.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a valid limit: give 1 to {most}")]
struct LimitError {
    text: String,
    most: usize,
}

/// Parses a number of entries from 1 to `most`.
fn up_to(most: usize) -> impl FnOnce(&str) -> Result<usize, LimitError> {
    move |text| {
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or_else(|| LimitError {
            text: text.to_owned(),
            most,
        })
    }
}

/// A field with one of the texts that `T` has in JSON.
fn json_text<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_value(text.into())
}
