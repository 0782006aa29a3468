//! `onairctl session …`: the verbs, and a file for each that has much to do.

pub(crate) mod create;
mod dry_run;
mod evict;
mod exchange;
pub(crate) mod fit;
pub(crate) mod retarget;
mod snapshot;

use std::time::Duration;

use clap::Subcommand;
use onair_api::operations::{
    AbortSession, ApiOperation, DescribeSession, DestroySession, ListBlockers, ListSessions,
    QuarantineSession, SessionQuery, ShowSession, ShowVerdict, StartSession, StopSession,
};
use onair_api::{Certificate, DestroyWait, Operation, SessionRef, SessionView};
use onair_control::Client;

use self::create::Create;
use self::dry_run::Wanted;
use self::evict::Evict;
use self::exchange::Exchange;
use self::retarget::Retarget;
use self::snapshot::Snapshot;
use super::watch::{Watch, WatchView};
use super::{certificate, show, stop_first, wait};
use crate::args::Options;
use crate::args::parse::{InvalidArgument, duration};
use crate::failure::{BUSY, DONE, Failure};
use crate::render;

/// Verbs of `session`.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionVerb {
    /// Create a session
    Create(Box<Create>),
    /// List the live sessions
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  onairctl session list
  onairctl session list --watch 250ms
  onairctl --json session list | jq -r '.sessions[] | select(.state == \"running\") | .name'"
    )]
    List {
        #[command(flatten)]
        watch: Watch,
    },
    /// Show one session: what is wrong, its signal, its attachments and its counters
    #[command(after_help = "\
Examples:
  onairctl session show cam1
  onairctl session show cam1 --watch")]
    Show {
        /// Session id or name
        session: SessionRef,
        #[command(flatten)]
        watch: Watch,
    },
    /// Stop a session: its callers return EAGAIN at once. Does nothing if it is stopped
    #[command(after_help = "\
Example:
  onairctl session stop cam1")]
    Stop {
        /// Session id or name
        session: SessionRef,
    },
    /// Start a session, or restart it. Does nothing if it is running
    #[command(after_help = "\
Example:
  onairctl session start cam1")]
    Start {
        /// Session id or name
        session: SessionRef,
    },
    /// Give a session other addresses: destination, sources, or those of an SDP
    Retarget(Box<Retarget>),
    /// Give each of two sessions the addresses of the other
    Exchange(Exchange),
    /// Wait until the frames that clients submitted to a send session are sent
    #[command(after_help = "\
The command waits for the frames that were submitted before it; the session continues. Exit code 4: the
time passed first; nothing changed. Exit code 1: frames were dropped, because the daemon evicted their
client, or because the session stopped and could not send them. A stopped session has no frames to send:
the command returns at once. A receive session is refused.

Examples:
  onairctl session flush out
  onairctl session flush out --wait 500ms && onairctl session stop out")]
    Flush {
        /// Session id or name
        session: SessionRef,
        /// Wait at most this long: 500ms, 5s, 1m30s
        #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = longest, allow_hyphen_values = true)]
        wait: Duration,
    },
    /// Destroy a stopped session now or not at all, and print its certificate
    #[command(after_help = "\
Without --wait, a session in use stays unchanged (exit code 4, with the blockers). With --wait, the
daemon destroys it as soon as the last user leaves. Ctrl-C ends the wait; the session stays stopped.

Examples:
  onairctl session destroy cam1 --stop --wait 5s
  onairctl session stop cam1 && onairctl session destroy cam1
  onairctl session destroy cam1 --dry-run")]
    Destroy {
        /// Session id or name
        session: SessionRef,
        /// Wait for the users to leave, at most this long: 500ms, 5s, 1m30s
        #[arg(long, value_name = "DURATION", value_parser = longest, allow_hyphen_values = true)]
        wait: Option<Duration>,
        /// Stop the session first
        #[arg(long, conflicts_with = "dry_run")]
        stop: bool,
        /// Forecast the result and change nothing (exit code 0: it would pass; 4: it would be
        /// refused)
        #[arg(long, conflicts_with = "wait")]
        dry_run: bool,
    },
    /// Evict clients from a session: their calls return ESTALE
    Evict(Evict),
    /// Set a stopped session aside with its users and free its name
    #[command(after_help = "\
For clients: every call returns ESTALE; their mappings stay. Another session can take the name. By its
id the session is still shown, and `session blockers` lists its holders, until the last of them exits or
releases the memory. The daemon then frees the memory and completes the certificate.

Examples:
  onairctl session stop cam1 && onairctl session quarantine cam1
  onairctl session quarantine cam1 --dry-run")]
    Quarantine {
        /// Session id or name
        session: SessionRef,
        /// Forecast the result and change nothing (exit code 0: it would pass; 4: it would be
        /// refused)
        #[arg(long)]
        dry_run: bool,
    },
    /// Stop a session, evict its clients and destroy it at once, for a watchdog
    #[command(after_help = "\
The daemon waits for no user. For clients: every call returns ESTALE; their mappings stay and never show
frames of another session. An abort works on a running session too. The certificate lists the evicted
clients. The daemon completes it when the kernel reports that no process has the memory.

Examples:
  onairctl session abort cam1
  onairctl session abort cam1 --dry-run")]
    Abort {
        /// Session id or name
        session: SessionRef,
        /// Forecast the result and change nothing (exit code 0: it would pass; 4: it would be
        /// refused)
        #[arg(long)]
        dry_run: bool,
    },
    /// List the users of a session: process, thread, since when, in which call, with which frames
    #[command(after_help = "\
With --watch the command asks again every second, or at the given interval, until the session is
destroyed (exit code 0). On a terminal each list replaces the previous one; with --json each is one line.

Examples:
  onairctl session blockers cam1
  onairctl session blockers cam1 --watch
  onairctl session blockers cam1 --watch 250ms
  onairctl --json session blockers cam1 | jq -r '.blockers[].pid' | sort -u")]
    Blockers {
        /// Session id or name
        session: SessionRef,
        #[command(flatten)]
        watch: Watch,
    },
    /// Show what each witness reports now, and whether a destroy would pass; changes nothing
    #[command(after_help = "\
Exit code 0: a destroy would pass; 4: it would not.

Example:
  onairctl session verdict cam1")]
    Verdict {
        /// Session id or name
        session: SessionRef,
    },
    /// Print the session description (SDP) of a session
    #[command(after_help = "\
A send session's description is for its receivers; a receive session's says what it expects.

Examples:
  onairctl session sdp out > out.sdp
  onairctl session sdp out | ffprobe -protocol_whitelist pipe,rtp,udp -")]
    Sdp {
        /// Session id or name
        session: SessionRef,
    },
    /// Write the next frame of a session as a picture (PNG)
    Snapshot(Snapshot),
    /// Show the certificate of a destroyed session
    #[command(after_help = "\
Examples:
  onairctl session certificate cam1
  onairctl --json session certificate 6920a1c300000001 > proof.json")]
    Certificate {
        /// Session id, or a name: the last session of that name
        session: SessionRef,
    },
}

pub(crate) async fn run(
    options: &Options,
    client: &Client,
    verb: &SessionVerb,
) -> Result<u8, Failure> {
    match verb {
        SessionVerb::Create(create) => return create.run(options, client).await,
        SessionVerb::List { watch } => {
            let look = async || {
                let answer = client
                    .call::<ListSessions>(&(), &SessionQuery::default())
                    .await?;
                WatchView::of(answer, render::session::list)
            };
            return watch.run(options, None, look).await;
        }
        SessionVerb::Show { session, watch } => {
            let mut target = session.clone();
            let look = async || {
                let answer = client.call::<ShowSession>(&target, &()).await?;
                // By id: another session may take the name.
                target = answer.read()?.id.into();
                WatchView::of(answer, render::session::one)
            };
            return watch.run(options, Some(session), look).await;
        }
        SessionVerb::Stop { session } => turn::<StopSession>(options, client, session).await?,
        SessionVerb::Start { session } => turn::<StartSession>(options, client, session).await?,
        SessionVerb::Retarget(retarget) => return retarget.run(options, client).await,
        SessionVerb::Exchange(exchange) => return exchange.run(options, client).await,
        SessionVerb::Flush { session, wait } => {
            let answer = wait::flush(client, session, *wait).await?;
            show(options, &answer, render::session::flushed)?;
        }
        SessionVerb::Destroy {
            session,
            wait,
            stop,
            dry_run,
        } => {
            let mut target = session.clone();
            if *stop && let Some(stopped) = stop_first::<StopSession>(client, session).await? {
                target = stopped.read()?.id.into();
            }
            let Some(wait) = wait else {
                let forecast = forecast(Operation::Destroy, *dry_run);
                return end::<DestroySession>(options, client, &target, forecast).await;
            };
            let answer = wait::destroy(client, &target, *wait).await?;
            certificate::present(options, &answer)?;
        }
        SessionVerb::Quarantine { session, dry_run } => {
            return end::<QuarantineSession>(
                options,
                client,
                session,
                forecast(Operation::Quarantine, *dry_run),
            )
            .await;
        }
        SessionVerb::Abort { session, dry_run } => {
            return end::<AbortSession>(
                options,
                client,
                session,
                forecast(Operation::Abort, *dry_run),
            )
            .await;
        }
        SessionVerb::Evict(evict) => return evict.run(options, client).await,
        SessionVerb::Blockers { session, watch } => {
            let mut target = session.clone();
            let look = async || {
                let answer = client.call::<ListBlockers>(&target, &()).await?;
                target = answer.read()?.session.into();
                WatchView::of(answer, render::session::blocker::list)
            };
            return watch.run(options, Some(session), look).await;
        }
        SessionVerb::Verdict { session } => {
            let answer = client.call::<ShowVerdict>(session, &()).await?;
            let verdict = show(options, &answer, render::verdict::render)?;
            return Ok(if verdict.destroyable { DONE } else { BUSY });
        }
        SessionVerb::Sdp { session } => {
            let answer = client.call::<DescribeSession>(session, &()).await?;
            show(options, &answer, |text: &String| render::description(text))?;
        }
        SessionVerb::Snapshot(snapshot) => return snapshot.run(options, client).await,
        SessionVerb::Certificate { session } => {
            return certificate::show(options, client, session).await;
        }
    }
    Ok(DONE)
}

async fn turn<O>(options: &Options, client: &Client, session: &SessionRef) -> Result<(), Failure>
where
    O: ApiOperation<Target = SessionRef, Input = (), Document = SessionView>,
{
    let answer = client.call::<O>(session, &()).await?;
    show(options, &answer, render::session::turned)?;
    Ok(())
}

/// Ends a session at once, or prints the forecast of a dry run.
async fn end<O>(
    options: &Options,
    client: &Client,
    session: &SessionRef,
    dry_run: Option<Wanted>,
) -> Result<u8, Failure>
where
    O: ApiOperation<Target = SessionRef, Input = (), Document = Certificate>,
{
    if let Some(wanted) = dry_run {
        return dry_run::run(options, client, session, wanted).await;
    }
    let answer = client.call::<O>(session, &()).await?;
    certificate::present(options, &answer)?;
    Ok(DONE)
}

/// The state that a dry run forecasts.
fn forecast(operation: Operation, is_dry: bool) -> Option<Wanted> {
    is_dry.then_some(Wanted::End(operation))
}

pub(crate) fn longest(text: &str) -> Result<Duration, InvalidArgument> {
    let wait = duration(text)?;
    if wait > Duration::from_millis(DestroyWait::MAX_MS) {
        return Err(InvalidArgument::LongWait);
    }
    Ok(wait)
}
