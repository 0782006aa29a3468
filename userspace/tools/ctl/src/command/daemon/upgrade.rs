//! `onairctl upgrade`: puts the installed program in the place of the running one.

mod report;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use onair_api::operations::{
    Input, ListRecordings, ListSessions, RecordingQuery, SessionQuery, ShowConfig, ShowHealth,
    Upgrade as TakeOver,
};
use onair_api::{Health, ProblemCode, Successor};
use onair_control::{Client, ControlError};

use self::report::{LiveSession, UpgradeReport, counted};
use super::doctor::daemon_program;
use crate::args::Options;
use crate::command::wait::line;
use crate::failure::{DONE, Failure, UpgradeError};
use crate::{output, render};

/// Poll interval.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Time that the daemon gives the new one to prepare.
const PREPARE: Duration = Duration::from_secs(30);

/// Arguments of `upgrade`.
#[derive(Debug, Args)]
#[command(after_help = "\
A package that is installed while sessions are on air leaves the old program running. With this command the
running daemon starts the installed program beside itself. Once that is prepared, the old daemon stops its
sessions, and the new one takes over its sockets and restores the persistent sessions. If the new daemon does
not start, the old one goes on. The command waits until each persistent session is as before. Clients must
attach again.

Exit code 0: the installed program runs; 1: the upgrade is not possible, or failed; 3: no answer; 4: sessions
are on air, and --stop-sessions is missing. With --dry-run: the same, and nothing changes.

Examples:
  onairctl upgrade --dry-run
  onairctl upgrade
  onairctl upgrade --stop-sessions
  onairctl upgrade --again --stop-sessions")]
pub(crate) struct Upgrade {
    /// Upgrade although sessions are on air: all go off air, persistent ones come back
    #[arg(long)]
    stop_sessions: bool,
    /// Also if the installed program runs: for configuration keys that need a restart
    #[arg(long)]
    again: bool,
    /// Change nothing: only show what would happen
    #[arg(long)]
    dry_run: bool,
}

impl Upgrade {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let program = daemon_program();
        let installed = version(&program)?;
        let mut report = report(client, &program, installed).await?;
        report.restart_needed |= self.again;
        if !report.restart_needed {
            report.print(options)?;
            return Ok(DONE);
        }
        let possible = self.possible(client, &report, &program).await;
        if self.dry_run || possible.is_err() {
            report.print(options)?;
            return possible.map(|()| DONE);
        }
        if !options.json {
            output::text(&report.render())?;
        }
        let started = Instant::now();
        let successor = take_over(client, &report).await?;
        let health = settled(options, client, &report, &successor).await?;
        report.restarted = Some((&health).into());
        if options.json {
            report.print(options)?;
        } else {
            output::text(&format!(
                "\nonaird {}, pid {}, is {} after {}; each persistent session is as before\n",
                health.version,
                health.pid,
                health.status,
                render::human(started.elapsed())
            ))?;
        }
        Ok(DONE)
    }

    /// Whether the restart may begin.
    async fn possible(
        &self,
        client: &Client,
        report: &UpgradeReport,
        program: &Path,
    ) -> Result<(), Failure> {
        let config = client.call::<ShowConfig>(&(), &()).await?.read()?;
        if let Some(file) = config.file {
            let mut check = Command::new(program);
            check.args(["--config", &file, "--check-config"]);
            finished(&mut check).map_err(UpgradeError::Configuration)?;
        }
        match report.on_air().count() {
            0 => Ok(()),
            _ if self.stop_sessions => Ok(()),
            count => {
                let verb = if count == 1 { "is" } else { "are" };
                let text = format!("{} {verb}", counted(count));
                Err(UpgradeError::OnAir(text, count).into())
            }
        }
    }
}

/// Reports the running and the installed version, and the effect on the sessions.
async fn report(
    client: &Client,
    program: &Path,
    installed: String,
) -> Result<UpgradeReport, Failure> {
    let health = client.call::<ShowHealth>(&(), &()).await?.read()?;
    let query = RecordingQuery { session: None };
    let recordings = client.call::<ListRecordings>(&(), &query).await?.read()?;
    let recordings = recordings.recordings.into_iter();
    let is_other = is_other(&health, program, &installed);
    Ok(UpgradeReport {
        restart_needed: is_other,
        is_other,
        installed,
        running: (&health).into(),
        sessions: sessions(client).await?,
        recordings: recordings
            .filter(|it| !it.state.is_over())
            .map(|it| it.name)
            .collect(),
        restarted: None,
    })
}

async fn sessions(client: &Client) -> Result<Vec<LiveSession>, Failure> {
    let query = SessionQuery {
        full: true,
        ..SessionQuery::default()
    };
    let list = client.call::<ListSessions>(&(), &query).await?.read()?;
    Ok(list.sessions.iter().map(LiveSession::from).collect())
}

/// Whether the daemon runs another program than the installed one. A package of the same version replaces the file;
/// only root may compare it.
fn is_other(health: &Health, program: &Path, installed: &str) -> bool {
    let running = fs::metadata(format!("/proc/{}/exe", health.pid));
    let file = |it: fs::Metadata| (it.dev(), it.ino());
    let is_same = match (running, fs::metadata(program)) {
        (Ok(running), Ok(program)) => file(running) == file(program),
        _ => health.version == installed,
    };
    !is_same
}

/// The version of the program `onaird`, which shows that it can be run.
fn version(program: &Path) -> Result<String, UpgradeError> {
    let text = finished(Command::new(program).arg("--version"));
    let version = text.and_then(|text| {
        let version = text.strip_prefix("onaird ").map(str::trim);
        version
            .map(str::to_owned)
            .ok_or_else(|| format!("--version prints {text:?}"))
    });
    version.map_err(|text| {
        let program = program.to_owned();
        UpgradeError::Program { program, text }
    })
}

/// Has the running daemon start the installed program, and waits until that is prepared.
async fn take_over(client: &Client, report: &UpgradeReport) -> Result<Successor, Failure> {
    let bar = line();
    bar.set_message("the installed program prepares: at most half a minute");
    let begun = client
        .send::<TakeOver>(&(), Input::sent(&()), PREPARE)
        .await;
    bar.finish_and_clear();
    let problem = match begun {
        Ok(answer) => return Ok(answer.read()?),
        Err(ControlError::Refused(problem)) => problem,
        Err(other) => return Err(other.into()),
    };
    Err(match problem.code {
        ProblemCode::NotFound => UpgradeError::TooOld(report.running.version.clone()).into(),
        ProblemCode::NotReplaced => UpgradeError::NotStarted {
            installed: report.installed.clone(),
            text: problem.detail.clone(),
        }
        .into(),
        _ => problem.into(),
    })
}

/// The health of the new daemon, once it is ready and its persistent sessions are as before.
async fn settled(
    options: &Options,
    client: &Client,
    report: &UpgradeReport,
    successor: &Successor,
) -> Result<Health, Failure> {
    let end = Instant::now() + options.timeout;
    loop {
        let text = match look(client, report, successor).await {
            Ok(Ok(health)) => return Ok(health),
            Ok(Err(text)) => text,
            Err(failure) => failure.to_string(),
        };
        if Instant::now() >= end {
            let previous = report.running.version.clone();
            return Err(UpgradeError::NotWell { previous, text }.into());
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The health of the new daemon, or what is not yet well.
async fn look(
    client: &Client,
    report: &UpgradeReport,
    successor: &Successor,
) -> Result<Result<Health, String>, Failure> {
    let health = client.call::<ShowHealth>(&(), &()).await?.read()?;
    if health.pid != successor.pid || health.version != report.installed {
        return Ok(Err(format!(
            "onaird {}, pid {}, answers, and it is not onaird {}, pid {}",
            health.version, health.pid, report.installed, successor.pid
        )));
    }
    if !health.ready {
        let problems = health.problems.join("; ");
        return Ok(Err(format!("the daemon is not ready: {problems}")));
    }
    let now = sessions(client).await?;
    let persistent = report.sessions.iter().filter(|it| it.comes_back);
    let missing: Vec<_> = persistent
        .filter(|it| {
            let is_as_before =
                |other: &LiveSession| other.name == it.name && other.state == it.state;
            !now.iter().any(is_as_before)
        })
        .map(|it| format!("{} is not {}", it.name, it.state))
        .collect();
    Ok(match missing[..] {
        [] => Ok(health),
        _ => Err(missing.join(", ")),
    })
}

/// Runs a program to its end: what it prints, or why it failed.
fn finished(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| render::printable(&String::from_utf8_lossy(bytes));
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let errors = text(&output.stderr);
    Err(match errors.trim() {
        "" => output.status.to_string(),
        errors => errors.to_owned(),
    })
}
