//! `onairctl debug`: what the daemon decided, for its developers.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use onair_api::SessionRef;
use onair_api::operations::{ListSessions, SessionQuery, ShowTrace};
use onair_control::Client;

use crate::args::Options;
use crate::failure::{DONE, Failure};
use crate::output;

/// Verbs of `debug`.
#[derive(Debug, Subcommand)]
pub(crate) enum DebugVerb {
    /// Write the latest events of a session, with all that they were decided by
    Trace(Trace),
}

/// A trace to write.
#[derive(Debug, Args)]
#[command(after_help = "\
Each line is JSON: a state of the session, or an event with the facts and answers by which the daemon
decided, and its effects. The simulator of the same version replays them without the machine. A trace
names sessions, users and processes; it has no frame, no address and no secret. The daemon keeps
limits.trace_kb of each session, and the traces of the last 16 that have ended.

Examples:
  onairctl debug trace cam1 --out cam1.trace
  onairctl debug trace 6920a1c300000001 | grep evict")]
pub(crate) struct Trace {
    /// Id or name of a session, also of an ended one; all existing sessions if there is none
    session: Option<SessionRef>,

    /// Write to this file, and replace it
    #[arg(long, short, value_name = "PATH")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(
    options: &Options,
    client: &Client,
    verb: &DebugVerb,
) -> Result<u8, Failure> {
    let DebugVerb::Trace(trace) = verb;
    trace.run(options, client).await
}

impl Trace {
    async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let sessions = match &self.session {
            Some(session) => vec![session.clone()],
            None => {
                let query = SessionQuery::default();
                let all = client.call::<ListSessions>(&(), &query).await?;
                all.read()?
                    .sessions
                    .into_iter()
                    .map(|it| it.id.into())
                    .collect()
            }
        };
        let mut text = String::new();
        for session in sessions {
            let answer = client.call::<ShowTrace>(&session, &()).await?;
            text += &answer.read()?;
        }
        let Some(path) = &self.out else {
            output::text(&text)?;
            return Ok(DONE);
        };
        let written = fs::write(path, &text);
        written
            .map_err(|error| Failure::Input(format!("cannot write {}: {error}", path.display())))?;
        let (lines, path) = (text.lines().count(), path.display().to_string());
        if options.json {
            output::json(&serde_json::json!({ "lines": lines, "path": path }))?;
        } else {
            output::text(&format!("{lines} lines: {path}.\n"))?;
        }
        Ok(DONE)
    }
}
