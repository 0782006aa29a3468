//! `onairctl top`: a live view of the daemon.

mod order;

use std::convert::Infallible;
use std::io::Read as _;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use console::Term;
use onair_api::operations::{ListSessions, SessionQuery, ShowHealth};
use onair_api::{Health, ListedSession, SessionList, Timestamp};
use onair_control::{Answer, Client};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use self::order::{Filter, Order};
use super::watch::interval;
use crate::args::Options;
use crate::failure::{DONE, Failure};
use crate::output;
use crate::render::top::{Live, text};

/// Ctrl-C, as a terminal sends it.
const INTERRUPT: u8 = 3;

/// The view, and how often it is refreshed.
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal the view is refreshed until q or Ctrl-C; w, n, l, r and p sort it by worst, name, loss, rate or
port. Elsewhere, and with --json, it is printed once; rates of ports need two looks. Below a session is what
is wrong with it, and what to do. LEGS are the packets that each leg lost, SKEW is how much later the second leg
is, LEVEL the loudest channel's peak in dBFS.

Examples:
  onairctl top
  onairctl top --interval 250ms --sort loss
  onairctl top --filter group=studio1 --filter state=impaired
  onairctl --json top | jq -r '.sessions[] | select(.problems != []) | .name'")]
pub(crate) struct Top {
    /// Time between two looks
    #[arg(long, short, value_name = "INTERVAL", default_value = "1s", value_parser = interval)]
    interval: Duration,

    /// Show only sessions whose name has this text, or with this port, group or state, as state=absent; of several
    /// filters all must fit
    #[arg(long, short, value_name = "[FIELD=]TEXT")]
    filter: Vec<Filter>,

    /// Show these sessions first; without it, the worst
    #[arg(long, short, value_name = "ORDER")]
    sort: Option<Order>,
}

/// Two answers of one look.
struct Look {
    sessions: Answer<SessionList>,
    health: Answer<Health>,
}

impl Top {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        if options.json || !Term::stdout().is_term() {
            let look = look(client).await?;
            let sessions = self.chosen(&look, self.order())?;
            if options.json {
                output::json(&document(&look, &sessions))?;
            } else {
                output::text(&text(&sessions, &look.health.read()?, None))?;
            }
            return Ok(DONE);
        }
        let mut keys = Keys::read();
        let (order, sorted) = watch::channel(self.order());
        let follow_keys = async {
            while let Some(key) = keys.next().await {
                if let Some(chosen) = Order::of_key(key) {
                    order.send_replace(chosen);
                }
            }
        };
        // Also while the daemon does not answer.
        tokio::select! {
            () = follow_keys => Ok(DONE),
            failure = self.refresh(client, sorted) => failure.map(|_: Infallible| DONE),
        }
    }

    async fn refresh(
        &self,
        client: &Client,
        mut order: watch::Receiver<Order>,
    ) -> Result<Infallible, Failure> {
        let mut before: Option<(Health, Instant)> = None;
        loop {
            let look = look(client).await?;
            let (now, health) = (Instant::now(), look.health.read()?);
            let earlier = before.as_ref().map(|(it, at)| (it, now - *at));
            let next = tokio::time::sleep(self.interval);
            tokio::pin!(next);
            loop {
                let sorted = *order.borrow_and_update();
                let sessions = self.chosen(&look, sorted)?;
                let live = Live {
                    order: sorted.name(),
                    columns: Term::stdout().size().1.into(),
                    before: earlier,
                };
                output::screen(&text(&sessions, &health, Some(live)))?;
                tokio::select! {
                    () = &mut next => break,
                    // Its sender lives as long as the view.
                    changed = order.changed() => if changed.is_err() { break },
                }
            }
            before = Some((health, now));
        }
    }

    fn order(&self) -> Order {
        self.sort.unwrap_or(Order::Worst)
    }

    /// The sessions that are shown.
    fn chosen(&self, look: &Look, order: Order) -> Result<Vec<ListedSession>, Failure> {
        let mut sessions = look.sessions.read()?.sessions;
        sessions.retain(|session| self.filter.iter().all(|it| it.takes(session)));
        order.sort(&mut sessions);
        Ok(sessions)
    }
}

async fn look(client: &Client) -> Result<Look, Failure> {
    let query = SessionQuery {
        full: true,
        ..SessionQuery::default()
    };
    Ok(Look {
        sessions: client.call::<ListSessions>(&(), &query).await?,
        health: client.call::<ShowHealth>(&(), &()).await?,
    })
}

/// As the daemon wrote them, and in the order of `sessions`.
fn document(look: &Look, sessions: &[ListedSession]) -> Value {
    let all = look
        .sessions
        .value
        .get("sessions")
        .and_then(Value::as_array);
    let all: Vec<_> = all.into_iter().flatten().collect();
    let of_name = |name: &str| {
        let mut all = all.iter().copied();
        all.find(|it| it.get("name").and_then(Value::as_str) == Some(name))
    };
    let sessions = sessions.iter().map(|it| of_name(it.name.as_str()));
    let of = |part: &str| look.health.value.pointer(part);
    json!({
        "at": Timestamp::now(), "status": of("/status"), "problems": of("/problems"),
        "sessions": sessions.collect::<Vec<_>>(),
        "pollers": of("/dataplane/pollers"), "ports": of("/dataplane/ports"), "clock": of("/clock"),
    })
}

/// The keyboard. Its terminal passes each key at once, until this is dropped.
struct Keys {
    pressed: mpsc::Receiver<u8>,
    /// Absent if standard input is no terminal.
    terminal: Option<Termios>,
}

impl Keys {
    fn read() -> Self {
        let (sender, pressed) = mpsc::channel(16);
        let terminal = tcgetattr(std::io::stdin()).ok();
        if let Some(mut raw) = terminal.clone() {
            // Ctrl-C as a key: a signal would leave the terminal as it is.
            raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            // Refused by a terminal that hangs up: then no key comes.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &raw);
        }
        // The thread ends with the process: a read of a terminal cannot be cancelled.
        thread::spawn(move || {
            let mut keys = std::io::stdin().lock().bytes().map_while(Result::ok);
            // Fails when the view has ended.
            let _ = keys.try_for_each(|key| sender.blocking_send(key));
            // Without a keyboard the view goes on.
            std::mem::forget(sender);
        });
        Self { pressed, terminal }
    }

    /// The next key; `None` if it ends the view.
    async fn next(&mut self) -> Option<u8> {
        let key = self.pressed.recv().await?;
        (!matches!(key, b'q' | b'Q' | INTERRUPT)).then_some(key)
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
