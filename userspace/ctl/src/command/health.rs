//! `onairctl health`.

use onair_api::Health;

use crate::args::Cli;
use crate::client::Client;
use crate::failure::{DONE, Failure, REFUSED};
use crate::render;

pub(crate) async fn run(cli: &Cli, client: &Client) -> Result<u8, Failure> {
    let answer = client.get("/v1/health").await?;
    let health: Health = super::show(cli, &answer, render::health::render)?;
    Ok(if health.ready { DONE } else { REFUSED })
}
