//! `--dry-run`: forecasts an operation. It only sends GET requests.

use onair_api::operations::{ListBlockers, ShowSession, ShowVerdict};
use onair_api::{
    AttachmentView, Blocker, Operation, SessionRef, SessionState, SessionView, Verdict,
};
use onair_control::Client;

use crate::args::Options;
use crate::document::Forecast;
use crate::failure::{BUSY, DONE, Failure};
use crate::{output, render};

/// The operation to forecast.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// An operation that ends the session.
    End(Operation),
    /// Evict these attachments.
    Evict(Vec<AttachmentView>),
}

/// Prints the forecast. Exit code 0: the operation would pass; 4: it would be refused.
pub(crate) async fn run(
    options: &Options,
    client: &Client,
    session: &SessionRef,
    wanted: Wanted,
) -> Result<u8, Failure> {
    let view = client.call::<ShowSession>(session, &()).await?.read()?;
    let verdict = client.call::<ShowVerdict>(session, &()).await?.read()?;
    let blockers = client.call::<ListBlockers>(session, &()).await?.read()?;
    let forecast = forecast(view, wanted, verdict, blockers.blockers);
    if options.json {
        output::json(&forecast)?;
    } else {
        output::text(&render::render(&forecast))?;
    }
    Ok(if forecast.would_pass { DONE } else { BUSY })
}

fn forecast(
    view: SessionView,
    wanted: Wanted,
    verdict: Verdict,
    blockers: Vec<Blocker>,
) -> Forecast {
    let all = || view.attachments.iter().map(|it| it.attachment).collect();
    let (operation, evicts) = match &wanted {
        Wanted::End(Operation::Abort) => (Operation::Abort.to_string(), all()),
        Wanted::End(operation) => (operation.to_string(), Vec::new()),
        Wanted::Evict(some) => (
            "evict".to_owned(),
            some.iter().map(|it| it.attachment).collect(),
        ),
    };
    let found = match (&wanted, view.state) {
        (_, SessionState::Quarantined | SessionState::Destroyed) => {
            Err(format!("the session is {}", view.state))
        }
        (Wanted::End(Operation::Abort), _) => Ok("an abort waits for no user".to_owned()),
        (Wanted::Evict(_), _) => Ok("an eviction waits for no client".to_owned()),
        (_, SessionState::Running) => Err("the session is running: stop it first".to_owned()),
        (_, SessionState::Draining) => Err("another destroy is under way".to_owned()),
        (Wanted::End(Operation::Quarantine), _) => {
            Ok("the session is set aside with its users".to_owned())
        }
        (Wanted::End(_), _) if verdict.destroyable => Ok(verdict.reason.clone()),
        (Wanted::End(_), _) => Err(verdict.reason.clone()),
    };
    let would_pass = found.is_ok();
    Forecast {
        session: view.name.to_string(),
        operation,
        would_pass,
        reason: found.unwrap_or_else(|reason| reason),
        state: view.state,
        evicts,
        verdict,
        blockers,
    }
}
