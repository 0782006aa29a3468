//! Commands, one noun a file: arguments, requests, exit codes.

pub(crate) mod analyze;
pub(crate) mod certificate;
pub(crate) mod completions;
pub(crate) mod daemon;
pub(crate) mod debug;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod group;
pub(crate) mod pipe;
pub(crate) mod record;
pub(crate) mod session;
pub(crate) mod top;
mod wait;
pub(crate) mod watch;

use serde::de::DeserializeOwned;

use crate::args::Options;
use crate::client::Answer;
use crate::failure::Failure;
use crate::output;

/// Prints an answer, as JSON or through `render`, and returns the document.
fn show<T: DeserializeOwned>(
    options: &Options,
    answer: &Answer<T>,
    render: impl FnOnce(&T) -> String,
) -> Result<T, Failure> {
    let document = answer.read()?;
    if options.json {
        output::json(&answer.value)?;
    } else {
        output::text(&render(&document))?;
    }
    Ok(document)
}
