//! `onairctl top`: a live view of the daemon.

use std::convert::Infallible;
use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use console::Term;
use onair_api::operations::{ListSessions, SessionQuery, ShowHealth};
use onair_api::{Health, SessionList, Timestamp};
use onair_control::{Answer, Client};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::watch::interval;
use crate::args::Options;
use crate::failure::{DONE, Failure};
use crate::output;
use crate::render::top::text;

/// Ctrl-C, as a terminal sends it.
const INTERRUPT: u8 = 3;

/// How often to look.
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal the view is refreshed until q or Ctrl-C. Elsewhere, and with --json, it is printed once;
rates of ports need two looks.

Examples:
  onairctl top
  onairctl top --interval 250ms
  onairctl --json top | jq -r '.sessions[] | select(.problems != []) | .name'")]
pub(crate) struct Top {
    /// Time between two looks
    #[arg(long, short, value_name = "INTERVAL", default_value = "1s", value_parser = interval)]
    interval: Duration,
}

impl Top {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        if options.json || !Term::stdout().is_term() {
            let (sessions, health) = look(client).await?;
            if options.json {
                output::json(&document(&sessions.value, &health.value))?;
            } else {
                let (sessions, health) = (sessions.read()?.sessions, health.read()?);
                output::text(&text(&sessions, &health, None))?;
            }
            return Ok(DONE);
        }
        let mut keys = Keys::read();
        // Also while the daemon does not answer.
        tokio::select! {
            _ = &mut keys.quit => Ok(DONE),
            failure = self.refresh(client) => failure.map(|_: Infallible| DONE),
        }
    }

    async fn refresh(&self, client: &Client) -> Result<Infallible, Failure> {
        let mut before: Option<(Health, Instant)> = None;
        loop {
            let (sessions, health) = look(client).await?;
            let (now, health) = (Instant::now(), health.read()?);
            let earlier = before.as_ref().map(|(it, at)| (it, now - *at));
            output::screen(&text(&sessions.read()?.sessions, &health, earlier))?;
            before = Some((health, now));
            tokio::time::sleep(self.interval).await;
        }
    }
}

async fn look(client: &Client) -> Result<(Answer<SessionList>, Answer<Health>), Failure> {
    let sessions = client
        .call::<ListSessions>(&(), &SessionQuery::default())
        .await?;
    Ok((sessions, client.call::<ShowHealth>(&(), &()).await?))
}

fn document(sessions: &Value, health: &Value) -> Value {
    let of = |part: &str| health.pointer(part);
    json!({
        "at": Timestamp::now(), "status": of("/status"), "problems": of("/problems"),
        "sessions": sessions.get("sessions"),
        "pollers": of("/dataplane/pollers"), "ports": of("/dataplane/ports"),
    })
}

/// The keyboard. Its terminal passes each key at once, until this is dropped.
struct Keys {
    quit: oneshot::Receiver<()>,
    /// Absent if standard input is no terminal.
    terminal: Option<Termios>,
}

impl Keys {
    fn read() -> Self {
        let (pressed, quit) = oneshot::channel();
        let terminal = tcgetattr(std::io::stdin()).ok();
        if let Some(mut raw) = terminal.clone() {
            // Ctrl-C as a key: a signal would leave the terminal as it is.
            raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            // Refused by a terminal that hangs up: then no key comes.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &raw);
        }
        // The thread ends with the process: a read of a terminal cannot be cancelled.
        thread::spawn(move || {
            let input = std::io::stdin().lock().bytes();
            let quits = |key| matches!(key, b'q' | b'Q' | INTERRUPT);
            if input.map_while(Result::ok).any(quits) {
                // The view may have ended already.
                let _ = pressed.send(());
            } else {
                // Without a keyboard the view goes on.
                std::mem::forget(pressed);
            }
        });
        Self { quit, terminal }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(terminal) = &self.terminal {
            // If the terminal is gone, nothing is left to restore.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, terminal);
        }
    }
}
