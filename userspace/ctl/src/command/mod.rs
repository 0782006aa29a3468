//! Commands, one noun a file: arguments, requests, exit codes.

pub(crate) mod analyze;
pub(crate) mod certificate;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod create;
mod description;
pub(crate) mod doctor;
pub(crate) mod dry_run;
pub(crate) mod events;
pub(crate) mod evict;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod port;
pub(crate) mod record;
mod retarget;
pub(crate) mod session;
pub(crate) mod shutdown;
mod snapshot;
pub(crate) mod source;
pub(crate) mod top;
pub(crate) mod upgrade;
pub(crate) mod wait;
pub(crate) mod watch;

use serde::de::DeserializeOwned;

use crate::args::{Cli, Noun};
use crate::client::{Answer, Client};
use crate::failure::Failure;
use crate::output;

/// Runs the command. Returns the exit code.
pub(crate) async fn run(cli: &Cli, client: &Client) -> Result<u8, Failure> {
    match &cli.noun {
        Noun::Session(verb) => session::run(cli, client, verb).await,
        Noun::Record(verb) => record::run(cli, client, verb).await,
        Noun::Certificate(verb) => certificate::run(cli, client, verb).await,
        Noun::Events(events) => events.run(cli, client).await,
        Noun::Config(verb) => config::run(cli, client, verb).await,
        Noun::Health(health) => health.run(cli, client).await,
        Noun::Top(top) => top.run(cli, client).await,
        Noun::Port(verb) => port::run(cli, client, verb).await,
        Noun::Doctor(doctor) => doctor.run(cli),
        Noun::Analyze(analyze) => analyze.run(cli),
        Noun::Export(export) => export.run(cli),
        Noun::Upgrade(upgrade) => upgrade.run(cli, client).await,
        Noun::Shutdown(shutdown) => shutdown.run(cli, client).await,
        Noun::Completions(shell) => completions::run(shell),
    }
}

/// Prints an answer, as JSON or through `render`, and returns the document.
fn show<T: DeserializeOwned>(
    cli: &Cli,
    answer: &Answer<T>,
    render: impl FnOnce(&T) -> String,
) -> Result<T, Failure> {
    let document = answer.read()?;
    if cli.json {
        output::json(&answer.value)?;
    } else {
        output::text(&render(&document))?;
    }
    Ok(document)
}
