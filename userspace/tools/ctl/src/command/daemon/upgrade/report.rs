//! Report of `onairctl upgrade`: the running and the installed version, and the effect on sessions.

use std::io;

use onair_api::{Health, ListedSession, RecordingName, SessionName, SessionState};
use serde::Serialize;

use crate::args::Options;
use crate::{output, render};

/// A daemon.
#[derive(Debug, Serialize)]
pub(super) struct Daemon {
    pub(super) version: String,
    pub(super) pid: u32,
}

impl From<&Health> for Daemon {
    fn from(health: &Health) -> Self {
        Self {
            version: health.version.clone(),
            pid: health.pid,
        }
    }
}

/// A live session.
#[derive(Debug, Serialize)]
pub(super) struct LiveSession {
    pub(super) name: SessionName,
    pub(super) state: SessionState,
    attachments: u64,
    /// The next daemon has it, too.
    pub(super) comes_back: bool,
}

impl From<&ListedSession> for LiveSession {
    fn from(session: &ListedSession) -> Self {
        let view = session.view.as_ref();
        Self {
            name: session.name.clone(),
            state: session.state,
            attachments: session.attachments,
            comes_back: view.is_some_and(|view| view.persistent),
        }
    }
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
pub(super) struct UpgradeReport {
    /// Version of the installed program.
    pub(super) installed: String,
    /// The daemon that runs, before a restart.
    pub(super) running: Daemon,
    /// It does not run the installed program.
    #[serde(skip)]
    pub(super) is_other: bool,
    /// It is to be replaced.
    pub(super) restart_needed: bool,
    /// Its sessions.
    pub(super) sessions: Vec<LiveSession>,
    /// Its recordings under way.
    pub(super) recordings: Vec<RecordingName>,
    /// The daemon after a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restarted: Option<Daemon>,
}

impl UpgradeReport {
    /// Prints it, as `--json` says.
    pub(super) fn print(&self, options: &Options) -> io::Result<()> {
        match options.json {
            true => output::json(self),
            false => output::text(&self.render()),
        }
    }

    pub(super) fn on_air(&self) -> impl Iterator<Item = &LiveSession> {
        let sessions = self.sessions.iter();
        sessions.filter(|it| it.state == SessionState::Running)
    }

    pub(super) fn render(&self) -> String {
        let mut about = render::Facts::default();
        about.add("installed", format!("onaird {}", self.installed));
        let Daemon { version, pid } = &self.running;
        let same = match self.is_other {
            true => "another program",
            false => "the installed program",
        };
        about.add("running", format!("onaird {version}, pid {pid}: {same}"));
        about.add("on air", counted(self.on_air().count()));
        let mut text = about.print();
        if !self.restart_needed {
            return text + "nothing to do\n";
        }
        if !self.sessions.is_empty() {
            text += "\n";
            text += &render::columns(
                &self.sessions,
                &[
                    ("SESSION", |it| render::cell(&it.name)),
                    ("STATE", |it| render::cell(it.state)),
                    ("CLIENTS", |it| render::cell(it.attachments)),
                    ("AFTER THE UPGRADE", |it| match it.comes_back {
                        true => render::cell("back (persistent)"),
                        false => render::cell("gone"),
                    }),
                ],
            );
        }
        for recording in &self.recordings {
            text += &format!("recording {recording} ends with the upgrade\n");
        }
        text
    }
}

/// Of sessions, in words.
pub(super) fn counted(sessions: usize) -> String {
    match sessions {
        1 => "1 session".to_owned(),
        count => format!("{count} sessions"),
    }
}
