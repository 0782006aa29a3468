//! Names that the daemon has now: candidates for a shell, and the one that a user may have meant.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Command, CommandFactory as _};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use onair_api::operations::{
    ListCertificates, ListGroups, ListRecordings, ListSessions, RecordingQuery, SessionQuery,
    ShowHealth, ShowSession,
};
use onair_api::{CertificateQuery, ProblemCode, SessionRef, nearest};
use onair_control::Client;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::render::printable;

/// How long a shell waits for candidates.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The arguments that take a name of the daemon's.
const IDS: [&str; 7] = [
    "group",
    "session",
    "attachment",
    "recording",
    "port",
    "certificate",
    "certificates",
];

/// The command line with the daemon's names as candidates.
pub(crate) fn completing() -> Command {
    with_names(Cli::command())
}

fn with_names(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let id = IDS.into_iter().find(|id| arg.get_id() == id);
        id.into_iter().fold(arg, |arg, id| {
            arg.add(ArgValueCandidates::new(move || {
                candidates(id).unwrap_or_default()
            }))
        })
    });
    command.mut_subcommands(with_names)
}

/// Candidates with which a shell can complete the command line. None without a daemon.
fn candidates(id: &str) -> Option<Vec<CompletionCandidate>> {
    let words = env::args().skip_while(|word| word != "--").skip(1);
    let typed = Cli::command().ignore_errors(true);
    let typed = typed.try_get_matches_from(words).ok()?;
    if typed.get_one::<String>("host").is_some() {
        // A login takes longer than a shell waits, and may ask for a password.
        return None;
    }
    let socket = typed.get_one::<PathBuf>("socket")?;
    let client = Client::new(socket, TIMEOUT);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let names = names(&client, id, session(&typed));
    let names = runtime.block_on(names).ok()?;
    let candidate = |(name, about): (String, String)| {
        CompletionCandidate::new(printable(&name)).help(Some(printable(&about).into()))
    };
    Some(names.into_iter().map(candidate).collect())
}

/// The session that the command line names.
fn session(typed: &ArgMatches) -> Option<&SessionRef> {
    match typed.subcommand() {
        Some((_, verb)) => session(verb),
        None => typed.try_get_one("session").ok().flatten(),
    }
}

/// The existing values of the argument `id`, each with a word about it.
async fn names(
    client: &Client,
    id: &str,
    session: Option<&SessionRef>,
) -> Result<Vec<(String, String)>, Failure> {
    Ok(match id {
        "session" => {
            let query = SessionQuery::default();
            let list = client.call::<ListSessions>(&(), &query).await?.read()?;
            let list = list.sessions.into_iter();
            list.map(|it| (it.name.to_string(), it.state.to_string()))
                .collect()
        }
        "group" => {
            let list = client.call::<ListGroups>(&(), &()).await?.read()?;
            let list = list.groups.into_iter();
            list.map(|it| (it.name.to_string(), format!("{} members", it.members.len())))
                .collect()
        }
        "attachment" => {
            let Some(session) = session else {
                return Ok(Vec::new());
            };
            let view = client.call::<ShowSession>(session, &()).await?.read()?;
            let list = view.attachments.into_iter();
            list.map(|it| (it.attachment.to_string(), it.command))
                .collect()
        }
        "recording" => {
            let query = RecordingQuery { session: None };
            let list = client.call::<ListRecordings>(&(), &query).await?.read()?;
            let list = list.recordings.into_iter();
            list.map(|it| (it.name.to_string(), it.state.to_string()))
                .collect()
        }
        "port" => {
            let health = client.call::<ShowHealth>(&(), &()).await?.read()?;
            let list = health.dataplane.ports.into_iter();
            list.map(|it| (it.name, it.device)).collect()
        }
        "certificate" | "certificates" => {
            let query = CertificateQuery::default();
            let list = client.call::<ListCertificates>(&(), &query).await?.read()?;
            let list = list.certificates.into_iter();
            list.map(|it| (it.name.to_string(), it.operation.to_string()))
                .collect()
        }
        _ => Vec::new(),
    })
}

/// The existing name most like the one that the daemon does not know.
pub(crate) async fn meant(cli: &Cli, client: &Client, failure: &Failure) -> Option<String> {
    let problem = failure.problem()?;
    let id = match problem.code {
        ProblemCode::NoSuchSession if cli.is_about_certificates() => "certificate",
        ProblemCode::NoSuchSession => "session",
        ProblemCode::NoSuchRecording => "recording",
        ProblemCode::NoSuchGroup => "group",
        ProblemCode::NoSuchPort => "port",
        _ => return None,
    };
    // The detail ends with the name.
    let wrong = problem.detail.rsplit(' ').next()?.trim_matches('"');
    let names = names(client, id, None).await.ok()?;
    nearest(wrong, names.iter().map(|(name, _)| &**name)).map(printable)
}
