//! `onairctl session blockers --watch`.

use std::time::Duration;

use console::Term;
use onair_types::api::ListBlockers;
use onair_types::{BlockerList, Problem, ProblemCode, SessionRef};
use serde_json::Value;

use crate::args::{Cli, InvalidArgument, duration};
use crate::client::Client;
use crate::failure::{DONE, Failure};
use crate::{output, render};

/// Shortest `--watch` interval.
const SHORTEST: Duration = Duration::from_millis(100);

/// Prints the users of a session repeatedly, until the session is destroyed.
pub(crate) async fn blockers(
    cli: &Cli,
    client: &Client,
    session: &SessionRef,
    pause: Duration,
) -> Result<u8, Failure> {
    let mut target = session.clone();
    let mut first = true;
    loop {
        let answer = match client.call::<ListBlockers>(&target, &()).await {
            Ok(answer) => answer,
            Err(Failure::Refused(problem)) if !first && is_gone(&problem) => {
                if !cli.json {
                    output::text(&format!("{session} is destroyed.\n"))?;
                }
                return Ok(DONE);
            }
            Err(failure) => return Err(failure),
        };
        let list = answer.read()?;
        // By id: another session may take the name.
        target = list.session.into();
        picture(cli, &answer.value, &list, first)?;
        first = false;
        tokio::time::sleep(pause).await;
    }
}

fn is_gone(problem: &Problem) -> bool {
    matches!(
        problem.code,
        ProblemCode::StaleSession | ProblemCode::NoSuchSession
    )
}

/// On a terminal replaces the previous list; elsewhere appends.
fn picture(cli: &Cli, answer: &Value, list: &BlockerList, first: bool) -> Result<(), Failure> {
    if cli.json {
        return Ok(output::json_line(answer)?);
    }
    let terminal = Term::stdout();
    let text = format!("{}\n{}", list.at, render::blocker::list(list));
    if terminal.is_term() {
        terminal.clear_screen()?;
        output::text(&text)?;
    } else {
        let gap = if first { "" } else { "\n" };
        output::text(&format!("{gap}{text}"))?;
    }
    Ok(())
}

/// Parses `--watch=INTERVAL`.
pub(crate) fn interval(text: &str) -> Result<Duration, InvalidArgument> {
    let pause = duration(text)?;
    if pause < SHORTEST {
        return Err(InvalidArgument::ShortInterval);
    }
    Ok(pause)
}
