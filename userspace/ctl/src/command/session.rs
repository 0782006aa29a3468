//! `onairctl session …`.

use std::time::Duration;

use clap::Subcommand;
use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use onair_api::{
    BlockerList, Certificate, DestroyWait, SessionList, SessionRef, SessionView, Verdict,
};
use serde_json::json;

use super::create::Create;
use super::{certificate, show};
use crate::args::{Cli, duration};
use crate::client::{Answer, Client};
use crate::failure::{BUSY, DONE, Failure};
use crate::render;

/// How often the line that shows a wait asks who is still there.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What to do with sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Set up a session
    Create(Box<Create>),
    /// Every session that lives
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  onairctl session list
  onairctl --json session list | jq -r '.sessions[] | select(.state == \"running\") | .name'"
    )]
    List,
    /// One session, its attachments and its counters
    #[command(after_help = "\
Example:
  onairctl session show cam1")]
    Show {
        /// Session's id or name
        session: SessionRef,
    },
    /// Stop a session: its callers return EAGAIN at once. Of a stopped one: done already
    #[command(after_help = "\
Example:
  onairctl session stop cam1")]
    Stop {
        /// Session's id or name
        session: SessionRef,
    },
    /// Start a session, or start it again. Of a running one: done already
    #[command(after_help = "\
Example:
  onairctl session start cam1")]
    Start {
        /// Session's id or name
        session: SessionRef,
    },
    /// Destroy a stopped session, at once or not at all, and print its certificate
    #[command(after_help = "\
Without --wait a session in use is left as it is (exit code 4, with the blockers). With --wait it is
destroyed as soon as the last user leaves. Ctrl-C ends the wait and leaves the session stopped.

Examples:
  onairctl session stop cam1 && onairctl session destroy cam1
  onairctl session destroy cam1 --wait 5s")]
    Destroy {
        /// Session's id or name
        session: SessionRef,
        /// Wait for the users to leave, at most this long: 500ms, 5s, 1m30s
        #[arg(long, value_name = "DURATION", value_parser = wait)]
        wait: Option<Duration>,
    },
    /// Who uses a session: process, thread, since when, in which call, with which frames
    #[command(after_help = "\
Examples:
  onairctl session blockers cam1
  onairctl --json session blockers cam1 | jq -r '.blockers[].pid' | sort -u")]
    Blockers {
        /// Session's id or name
        session: SessionRef,
    },
    /// What each witness says now, and whether a destroy would pass; changes nothing
    #[command(after_help = "\
Exit code 0: a destroy would pass; 4: it would not.

Example:
  onairctl session verdict cam1")]
    Verdict {
        /// Session's id or name
        session: SessionRef,
    },
    /// The certificate of a session that was destroyed
    #[command(after_help = "\
Examples:
  onairctl session certificate cam1
  onairctl --json session certificate 6920a1c300000001 > proof.json")]
    Certificate {
        /// Session's id, or a name: the last session of that name
        session: SessionRef,
    },
}

pub(crate) async fn run(cli: &Cli, client: &Client, verb: &Verb) -> Result<u8, Failure> {
    match verb {
        Verb::Create(create) => {
            let answer = client.post("/v1/sessions", Some(&create.body()?)).await?;
            show::<SessionView>(cli, &answer, render::session::one)?;
        }
        Verb::List => {
            let answer = client.get("/v1/sessions").await?;
            show::<SessionList>(cli, &answer, render::session::list)?;
        }
        Verb::Show { session } => {
            let answer = client.get(&format!("/v1/sessions/{session}")).await?;
            show::<SessionView>(cli, &answer, render::session::one)?;
        }
        Verb::Stop { session } => turn(cli, client, session, "stop").await?,
        Verb::Start { session } => turn(cli, client, session, "start").await?,
        Verb::Destroy { session, wait } => {
            let answer = match wait {
                None => {
                    client
                        .post(&format!("/v1/sessions/{session}/destroy"), None)
                        .await?
                }
                Some(wait) => destroy_wait(client, session, *wait).await?,
            };
            show::<Certificate>(cli, &answer, render::certificate::render)?;
        }
        Verb::Blockers { session } => {
            let answer = client
                .get(&format!("/v1/sessions/{session}/blockers"))
                .await?;
            show::<BlockerList>(cli, &answer, render::blocker::list)?;
        }
        Verb::Verdict { session } => {
            let answer = client
                .get(&format!("/v1/sessions/{session}/verdict"))
                .await?;
            let verdict: Verdict = show(cli, &answer, render::verdict::render)?;
            return Ok(if verdict.destroyable { DONE } else { BUSY });
        }
        Verb::Certificate { session } => return certificate::show(cli, client, session).await,
    }
    Ok(DONE)
}

async fn turn(cli: &Cli, client: &Client, session: &SessionRef, verb: &str) -> Result<(), Failure> {
    let answer = client
        .post(&format!("/v1/sessions/{session}/{verb}"), None)
        .await?;
    show::<SessionView>(cli, &answer, render::session::turned)?;
    Ok(())
}

/// Waits, and on a terminal shows for whom.
async fn destroy_wait(
    client: &Client,
    session: &SessionRef,
    wait: Duration,
) -> Result<Answer, Failure> {
    let path = format!("/v1/sessions/{session}/destroy_wait");
    let body = json!({"deadline_ms": u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)});
    let destroyed = client.send(Method::POST, &path, Some(&body), wait);
    // Draws nothing unless standard error is a terminal.
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg} [{elapsed}]")
            .expect("the template is well formed"),
    );
    bar.set_message(format!(
        "waiting for the users of {session}, at most {}",
        render::human(wait)
    ));
    bar.enable_steady_tick(Duration::from_millis(100));
    let watching = async {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            // The wait itself reports what is wrong; this is only the picture beside it.
            if let Ok(answer) = client
                .get(&format!("/v1/sessions/{session}/blockers"))
                .await
                && let Ok(list) = answer.read::<BlockerList>()
            {
                bar.set_message(render::blocker::line(&list));
            }
        }
    };
    let result = tokio::select! {
        result = destroyed => result,
        () = watching, if !bar.is_hidden() => unreachable!("it looks for ever"),
    };
    bar.finish_and_clear();
    result
}

fn wait(text: &str) -> Result<Duration, String> {
    let wait = duration(text)?;
    if wait > Duration::from_millis(DestroyWait::MAX_MS) {
        return Err("a day (24h) is the longest wait".to_owned());
    }
    Ok(wait)
}
