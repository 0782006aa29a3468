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
pub(crate) mod wall;
pub(crate) mod watch;

use onair_api::ProblemCode;
use onair_api::operations::ApiOperation;
use onair_control::{Answer, Client, ControlError};
use serde::de::DeserializeOwned;

use crate::args::Options;
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

/// Stops what is to be destroyed next, by the operation `O`. `None`: it is stopped, and the disk did not take that,
/// which ends with it.
async fn stop_first<O: ApiOperation<Input = ()>>(
    client: &Client,
    target: &O::Target,
) -> Result<Option<Answer<O::Document>>, Failure> {
    match client.call::<O>(target, &()).await {
        Ok(stopped) => Ok(Some(stopped)),
        Err(ControlError::Refused(problem)) if problem.code == ProblemCode::DiskFailed => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}
