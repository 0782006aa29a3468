//! `onairctl certificate …`.

use clap::Subcommand;
use onair_api::{Certificate, CertificateList, SessionRef};

use crate::args::Cli;
use crate::client::Client;
use crate::failure::{DONE, Failure};
use crate::render;

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Every certificate that is kept, newest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  onairctl certificate list
  onairctl --json certificate list | jq '.certificates[] | select(.disagreements > 0)'"
    )]
    List,
    /// One session's certificate
    #[command(after_help = "\
Examples:
  onairctl certificate show cam1
  onairctl --json certificate show 6920a1c300000001 > proof.json")]
    Show {
        /// Session's id, or a name: the last session of that name
        session: SessionRef,
    },
}

pub(crate) async fn run(cli: &Cli, client: &Client, verb: &Verb) -> Result<u8, Failure> {
    match verb {
        Verb::List => {
            let answer = client.get("/v1/certificates").await?;
            super::show::<CertificateList>(cli, &answer, render::certificate::list)?;
            Ok(DONE)
        }
        Verb::Show { session } => show(cli, client, session).await,
    }
}

/// Shows the certificate of `session`.
pub(crate) async fn show(cli: &Cli, client: &Client, session: &SessionRef) -> Result<u8, Failure> {
    let answer = client
        .get(&format!("/v1/sessions/{session}/certificate"))
        .await?;
    super::show::<Certificate>(cli, &answer, render::certificate::render)?;
    Ok(DONE)
}
