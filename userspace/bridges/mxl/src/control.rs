//! The control socket: `onair-nmos` sees what is carried, and switches it.
//!
//! Each line is a JSON document. A client is told the [`State`] at once and after each change. A line that it sends is a
//! [`Request`], and the next line that is no state answers it: `"done"`, or an object `refused`.
//! The state follows each answer. Who may connect is the file's business (mode 0660).
//!
//! A client costs a thread; there are [`MOST`] at most. One that sends a longer line than [`LONGEST`] or does not read is cut
//! off. What carries the sessions never waits for any of them: it reads its [`Switch`].

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::{FlowFiles, identity};
use crate::ending::Ending;
use crate::flow::Format;
use crate::kept::Kept;
use crate::switch::{Position, Switch};

/// Most clients at once.
const MOST: usize = 8;
/// Longest line of a client, in bytes.
const LONGEST: u64 = 4096;
/// How often a client is told of changes.
const LOOK: Duration = Duration::from_millis(200);
/// Longest wait for a client that does not read.
const SLOW: Duration = Duration::from_secs(1);

/// The sessions that are carried.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct State<'a> {
    /// The domain's id (`domain_def.json`, BCP-007-03); null: it has none.
    pub domain: Option<Uuid>,
    /// The sessions, by name.
    pub sessions: Vec<Carried<'a>>,
}

/// A session that is carried, or can be.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Carried<'a> {
    /// Its name.
    pub session: &'a str,
    /// Whether it becomes a flow, or is filled with one.
    pub direction: Direction,
    /// The flow.
    pub flow: Option<Uuid>,
    /// Whether it is carried now.
    pub active: bool,
    /// The note of the client that moved it, in that client's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<String>,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into a flow.
    In,
    /// Out of a flow.
    Out,
}

/// Carries a session or not, and by which flow. Without `active` nothing moves, and only `connected` is kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    session: String,
    active: Option<bool>,
    flow: Option<Uuid>,
    connected: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done,
    Refused {
        field: &'static str,
        problem: String,
    },
}

/// State that the socket shows and moves.
#[derive(Debug)]
pub struct Control {
    domain: PathBuf,
    /// Of each session its direction, its switch, and its flow in the settings.
    sessions: BTreeMap<String, (Direction, Switch, Option<Uuid>)>,
    kept: Kept,
    clients: AtomicUsize,
}

impl Control {
    /// Of the sessions that become flows of this domain, with their flows, and of those that are filled.
    pub fn new<'a>(
        domain: &Path,
        inward: impl IntoIterator<Item = (&'a str, Uuid)>,
        outward: impl IntoIterator<Item = (&'a str, Option<Uuid>)>,
    ) -> Self {
        let inward = { inward }.into_iter();
        let inward = inward.map(|(name, flow)| (name, Direction::In, Some(flow)));
        let outward = { outward }.into_iter();
        let outward = outward.map(|(name, flow)| (name, Direction::Out, flow));
        let sessions = inward.chain(outward).map(|(name, direction, flow)| {
            let active = flow.is_some();
            let switch = Switch::new(Position { active, flow });
            (name.to_owned(), (direction, switch, flow))
        });
        let sessions = sessions.collect();
        Self {
            domain: domain.to_owned(),
            sessions,
            kept: Kept::default(),
            clients: AtomicUsize::new(0),
        }
    }

    /// With what controllers switched before, in a file, which also gets what they switch from now on.
    #[must_use]
    pub(crate) fn keeping(self, kept: Kept) -> Self {
        for (session, (_, switch, settings)) in &self.sessions {
            if let Some(position) = kept.position(session, *settings) {
                switch.set(position);
            }
        }
        Self { kept, ..self }
    }

    /// The switch of one of its sessions.
    ///
    /// # Panics
    /// It has no session of this name.
    #[must_use]
    pub fn switch(&self, session: &str) -> &Switch {
        &self.sessions[session].1
    }

    /// The state for clients.
    #[must_use]
    pub fn state(&self) -> State<'_> {
        let sessions = self
            .sessions
            .iter()
            .map(|(session, (direction, switch, settings))| {
                let position = switch.position();
                Carried {
                    session,
                    direction: *direction,
                    flow: position.flow,
                    active: position.active,
                    connected: self.kept.connected(session, *settings),
                }
            });
        State {
            domain: identity(&self.domain),
            sessions: sessions.collect(),
        }
    }

    fn answer(&self, line: &str) -> Answer {
        let refused = |field, problem: String| Answer::Refused { field, problem };
        let request: Request = match serde_json::from_str(line) {
            Ok(request) => request,
            Err(error) => return refused("", error.to_string()),
        };
        let Some((direction, switch, settings)) = self.sessions.get(&request.session) else {
            return refused("session", "is not carried by onair-mxl".to_owned());
        };
        let own = switch.position();
        let (active, flow) = match request.active {
            Some(active) => (active, request.flow),
            None => (own.active, own.flow),
        };
        if *direction == Direction::In && flow != own.flow {
            return refused("flow", "is not the session's: it is of the settings".into());
        }
        let moves = request.active.is_some();
        if moves && active && *direction == Direction::Out {
            let Some(flow) = flow else {
                return refused("flow", "is null: name a flow".to_owned());
            };
            if let Err(problem) = self.check(flow) {
                return refused("flow", problem);
            }
        }
        let position = Position { active, flow };
        switch.set(position);
        let kept = (position, request.connected);
        self.kept.keep(&request.session, *settings, kept);
        if moves {
            let (session, flow) = (request.session, flow.map(tracing::field::display));
            tracing::info!(session, active, flow, "switched");
        }
        Answer::Done
    }

    /// Whether a flow can be read.
    fn check(&self, flow: Uuid) -> Result<(), String> {
        let definition = FlowFiles::of(&self.domain, flow).definition();
        let definition = definition.map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("is no flow in {}", self.domain.display()),
            _ => format!("has no definition that can be read: {error}"),
        })?;
        let format = Format::of_definition(&definition);
        format
            .map(drop)
            .map_err(|error| format!("is none that becomes a session: {error}"))
    }

    /// Serves clients until the end.
    ///
    /// # Errors
    /// The kernel's.
    pub fn serve(&self, listener: &UnixListener, ending: &Ending) -> io::Result<()> {
        thread::scope(|scope| {
            while !ending.is_here() {
                let stream = match listener.accept() {
                    Ok((stream, _)) => stream,
                    Err(error) if is_silence(&error) => continue,
                    Err(error) => {
                        tracing::warn!(%error, "the control socket");
                        ending.wait(SLOW);
                        continue;
                    }
                };
                if self.clients.fetch_add(1, Ordering::Relaxed) >= MOST {
                    self.clients.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                let own = thread::Builder::new().name("control".to_owned());
                let own = own.spawn_scoped(scope, move || {
                    if let Err(error) = self.talk(&stream, ending) {
                        tracing::debug!(%error, "a client of the control socket");
                    }
                    self.clients.fetch_sub(1, Ordering::Relaxed);
                });
                if own.is_err() {
                    self.clients.fetch_sub(1, Ordering::Relaxed);
                }
            }
        });
        Ok(())
    }

    fn talk(&self, stream: &UnixStream, ending: &Ending) -> io::Result<()> {
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(SLOW))?;
        let (mut told, mut line) = (String::new(), Vec::new());
        let mut reader = BufReader::new(stream.take(u64::MAX));
        while !ending.is_here() {
            let state = serde_json::to_string(&self.state())?;
            if state != told {
                say(stream, &state)?;
                told = state;
            }
            reader.get_mut().set_limit(LONGEST);
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Err(error) if is_silence(&error) && (line.len() as u64) < LONGEST => continue,
                Err(error) => return Err(error),
                Ok(_) if line.last() != Some(&b'\n') => return Err(ErrorKind::InvalidData.into()),
                Ok(_) => {}
            }
            let answer = self.answer(&String::from_utf8_lossy(&line));
            say(stream, &serde_json::to_string(&answer)?)?;
            line.clear();
            told.clear();
        }
        Ok(())
    }
}

fn say(mut stream: &UnixStream, text: &str) -> io::Result<()> {
    stream.write_all(format!("{text}\n").as_bytes())
}

/// Nothing came in the time.
fn is_silence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Listens at `path`, in the place of what a dead process left there. An accept lasts half a second at most.
///
/// # Errors
/// The kernel's; [`ErrorKind::AddrInUse`]: a process listens there, or it is no socket.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    if let Ok(found) = fs::symlink_metadata(path) {
        let is_left = found.file_type().is_socket() && UnixStream::connect(path).is_err();
        if !is_left {
            return Err(ErrorKind::AddrInUse.into());
        }
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    rustix::net::sockopt::set_socket_timeout(
        &listener,
        rustix::net::sockopt::Timeout::Recv,
        Some(Duration::from_millis(500)),
    )?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::flow::Definition;

    const OWN: Uuid = Uuid::from_u128(7);
    const OTHER: Uuid = Uuid::from_u128(8);

    /// A domain with the flow [`OTHER`], and the control of a session of each direction.
    fn control() -> (tempfile::TempDir, Control) {
        let domain = tempfile::tempdir().unwrap();
        let definition = Definition {
            id: OTHER,
            label: "other".to_owned(),
            group: "other".to_owned(),
            format: Format::Data {
                rate: crate::flow::Rate {
                    numerator: 25,
                    denominator: 1,
                },
            },
            is_utc: false,
        };
        let files = FlowFiles::of(domain.path(), OTHER);
        fs::create_dir(files.folder()).unwrap();
        let text = definition.document().to_string();
        fs::write(files.folder().join("flow_def.json"), text).unwrap();
        let control = Control::new(domain.path(), [("cam1", OWN)], [("playout", None)]);
        (domain, control)
    }

    fn answer(control: &Control, request: &Value) -> Value {
        json!(control.answer(&request.to_string()))
    }

    #[test]
    fn requests_then_switched_or_refused_with_the_field() {
        let (domain, control) = control();
        let done = json!("done");
        let (cam1, playout) = (control.switch("cam1"), control.switch("playout"));
        assert_eq!((cam1.flow(), playout.flow()), (Some(OWN), None));
        let off = json!({"session": "cam1", "active": false, "flow": OWN});
        assert_eq!(answer(&control, &off), done);
        assert_eq!(cam1.flow(), None);
        let read = json!({"session": "playout", "active": true, "flow": OTHER});
        assert_eq!(answer(&control, &read), done);
        assert_eq!(playout.flow(), Some(OTHER));
        for (request, field) in [
            (
                json!({"session": "cam1", "active": true, "flow": OTHER}),
                "flow",
            ),
            (
                json!({"session": "playout", "active": true, "flow": OWN}),
                "flow",
            ),
            (
                json!({"session": "playout", "active": true, "flow": null}),
                "flow",
            ),
            (
                json!({"session": "x", "active": true, "flow": null}),
                "session",
            ),
            (json!({"session": "x"}), "session"),
            (json!({"session": "cam1", "active": 1}), ""),
            (json!([]), ""),
        ] {
            assert_eq!(
                answer(&control, &request)["refused"]["field"],
                field,
                "{request}"
            );
        }
        assert_eq!(playout.flow(), Some(OTHER));
        fs::write(
            domain.path().join("domain_def.json"),
            json!({"id": OWN, "label": "d"}).to_string(),
        )
        .unwrap();
        let expected = json!({"domain": OWN, "sessions": [
            {"session": "cam1", "direction": "in", "flow": OWN, "active": false},
            {"session": "playout", "direction": "out", "flow": OTHER, "active": true},
        ]});
        assert_eq!(json!(control.state()), expected);
    }

    #[test]
    fn clients_that_lie_flood_or_are_too_many_then_others_are_told() {
        let (domain, control) = control();
        let path = domain.path().join("control.sock");
        let listener = listen(&path).unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        let (control, ending) = (Arc::new(control), Arc::new(Ending::default()));
        let served = thread::spawn({
            let (control, ending) = (Arc::clone(&control), Arc::clone(&ending));
            move || control.serve(&listener, &ending)
        });
        let connect = || {
            let stream = UnixStream::connect(&path).unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let state: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            assert_eq!(state["sessions"][0]["session"], "cam1");
            (stream, lines)
        };
        let (mut stream, mut lines) = connect();
        // One whose line never ends is cut off, whatever it is told; it may be so before it has written all.
        let (mut flooding, rest) = connect();
        drop(flooding.write_all(&[b'x'; 3 * 4096]));
        assert!(rest.into_iter().all(|it| it.is_err()));
        // The parts of a line may come one by one.
        let request = json!({"session": "cam1", "active": false, "flow": OWN}).to_string();
        let (first, second) = request.split_at(9);
        stream.write_all(first.as_bytes()).unwrap();
        thread::sleep(2 * LOOK);
        stream.write_all(format!("{second}\n").as_bytes()).unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), r#""done""#);
        let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(told["sessions"][0]["active"], false);
        // More than there are places for: these are closed at once, and those before go on.
        let all: Vec<_> = (0..MOST + 4)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        stream.write_all(b"?\n").unwrap();
        assert!(lines.next().unwrap().unwrap().contains("refused"));
        drop(all);
        ending.begin();
        served.join().unwrap().unwrap();
        // What a dead process left is no obstacle.
        listen(&path).unwrap();
    }
}
