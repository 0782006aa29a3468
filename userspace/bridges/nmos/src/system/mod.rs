//! The parameters of the plant, by its System API (IS-09 v1.0): asked for until an API has answered once, as IS-09 has it.

mod parameters;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::Full;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::endpoint::{Endpoint, dial, exchange, head, pause};
use onair_control::Facts;

pub use parameters::{Parameters, ParametersError};

const PATH: &str = "/x-nmos/system/v1.0/global";
/// Longest answer in bytes.
const LONGEST: usize = 64 << 10;

/// Asks the System APIs, the first first: the parameters, once one of them has answered. Ends with the last reader.
#[must_use]
pub fn ask(
    apis: watch::Receiver<Vec<Endpoint>>,
    ca: PathBuf,
) -> watch::Receiver<Option<Parameters>> {
    let (found, reader) = watch::channel(None);
    tokio::spawn(async move {
        tokio::select! {
            parameters = first(apis, &ca) => {
                found.send_replace(parameters);
                found.closed().await;
            }
            () = found.closed() => {}
        }
    });
    reader
}

/// Of the first API that answers; `None` if none comes any more.
async fn first(mut apis: watch::Receiver<Vec<Endpoint>>, ca: &Path) -> Option<Parameters> {
    let (mut failures, mut said) = (0, String::new());
    loop {
        let all = apis.borrow_and_update().clone();
        for api in &all {
            match fetch(api, ca).await {
                Ok(parameters) => {
                    tracing::info!(%api, ?parameters, "the system parameters are taken");
                    return Some(parameters);
                }
                Err(why) if why == said => tracing::debug!(%api, why, "no system parameters"),
                Err(why) => {
                    tracing::warn!(%api, why, "no system parameters");
                    said = why;
                }
            }
        }
        if all.is_empty() {
            apis.changed().await.ok()?;
        } else {
            tokio::select! {
                () = sleep(pause(failures)) => failures += 1,
                Ok(()) = apis.changed() => failures = 0,
            }
        }
    }
}

async fn fetch(api: &Endpoint, ca: &Path) -> Result<Parameters, String> {
    let mut sender = dial(api, ca).await?;
    let request = head(api, "GET", PATH).body(Full::default());
    let request = request.map_err(|error| error.to_string())?;
    match exchange(&mut sender, request, LONGEST).await? {
        (200, Some(body)) => {
            let read = body[..].try_into();
            read.map_err(|it: ParametersError| it.to_string())
        }
        (200, None) => Err(format!("more than {LONGEST} bytes")),
        (status, _) => Err(format!("HTTP {status}")),
    }
}

/// Says in the log when the clock that the daemon follows is of another PTP domain than the plant's.
pub async fn compare(
    mut parameters: watch::Receiver<Option<Parameters>>,
    mut facts: watch::Receiver<Option<Arc<Facts>>>,
) {
    let Ok(Some(parameters)) = parameters.wait_for(Option::is_some).await.map(|it| *it) else {
        return;
    };
    let mut last = None;
    while facts.changed().await.is_ok() {
        let now = facts
            .borrow_and_update()
            .as_deref()
            .and_then(|it| parameters.other_domain(it));
        if let Some(domain) = now.filter(|_| now != last) {
            let plant = parameters.ptp_domain;
            tracing::warn!(
                domain,
                plant,
                "the clock is of another PTP domain than the plant's"
            );
        }
        last = now;
    }
}
