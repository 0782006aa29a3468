//! One client's connection.

use std::future::Future;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use onair_api::{Problem, ProblemCode, SessionRef, Via, Who};
use onair_ipc::message::{KICK, MAX_PACKET, PROTOCOL, Refused, Request, Response};
use onair_ipc::sys;
use onair_probe::{Armed, Probe};
use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_seqpacket::UnixSeqpacket;
use tokio_seqpacket::ancillary::AncillaryMessageWriter;

use super::{AttachAction, ConnectionId, Seat, Watching};
use crate::control::action::Reply;
use crate::control::authority::{Authority, Right};
use crate::control::peer::Peer;
use crate::session::attachment::{Client, Watched};
use crate::witness::probe::chain;

/// Packets of one client that are taken before others are served.
const PACKETS_A_TURN: u32 = 16;

/// Time-outs of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the challenge to the proof.
    pub prove: Duration,
}

/// What a connection is.
#[derive(Debug)]
enum Stage {
    /// It has not said hello.
    New,
    /// It may create and attach.
    Ready,
    /// It was given a token.
    Proving(Box<Proving>),
    /// It carries an attachment.
    Attached,
}

#[derive(Debug)]
struct Proving {
    seat: Seat,
    probe: Probe,
    token: u64,
    armed: Armed,
    /// When the challenge was given.
    since: Instant,
}

/// What handling a request came to.
struct Outcome {
    response: Response,
    descriptors: Vec<OwnedFd>,
    stage: Stage,
}

impl Outcome {
    fn plain(response: Response, stage: Stage) -> Self {
        Self {
            response,
            descriptors: Vec::new(),
            stage,
        }
    }
}

struct Connection {
    id: ConnectionId,
    peer: Peer,
    pidfd: Arc<OwnedFd>,
    actions: mpsc::Sender<AttachAction>,
    authority: Authority,
    library: String,
    sites: bool,
}

/// Serves a client until it hangs up, and then until its process is dead if it had an attachment.
pub(super) async fn serve(
    id: ConnectionId,
    socket: UnixSeqpacket,
    actions: mpsc::Sender<AttachAction>,
    authority: Authority,
    limits: Limits,
) {
    let (peer, pidfd) = match identify(&socket) {
        Ok(identity) => identity,
        Err(refused) => {
            send(&socket, &Response::Error(refused), &[]).await;
            return;
        }
    };
    let death = match watch(&pidfd) {
        Ok(death) => death,
        Err(error) => {
            tracing::warn!(%error, "cannot watch a client's process");
            return;
        }
    };
    let mut connection = Connection {
        id,
        peer,
        pidfd: Arc::new(pidfd),
        actions,
        authority,
        library: String::new(),
        sites: false,
    };
    let (end, stage) = converse(&mut connection, &socket, &death, limits).await;
    match (stage, end) {
        (Stage::Proving(proving), _) => release(&connection.actions, *proving).await,
        (Stage::Attached, End::ProcessEnded) => {
            tell(
                &connection.actions,
                AttachAction::ProcessEnded { connection: id },
            )
            .await;
        }
        (Stage::Attached, End::HungUp) => {
            // The socket is the least of what a living process may still have.
            drop(socket);
            tell(&connection.actions, AttachAction::HungUp { connection: id }).await;
            // An error here means that the runtime ends, and with it the daemon.
            if death.readable().await.is_ok() {
                tell(
                    &connection.actions,
                    AttachAction::ProcessEnded { connection: id },
                )
                .await;
            }
        }
        (Stage::New | Stage::Ready, _) => {}
    }
}

enum End {
    HungUp,
    ProcessEnded,
}

type Pending<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

async fn converse(
    connection: &mut Connection,
    socket: &UnixSeqpacket,
    death: &AsyncFd<OwnedFd>,
    limits: Limits,
) -> (End, Stage) {
    let mut stage = Stage::New;
    let mut buffer = vec![0; MAX_PACKET];
    let mut packets = 0;
    loop {
        let answer_by = match &stage {
            Stage::Proving(proving) => Some(proving.since + limits.prove),
            _ => None,
        };
        let request = tokio::select! {
            biased;
            _ = death.readable() => return (End::ProcessEnded, stage),
            () = until(answer_by), if answer_by.is_some() => {
                let refused = refusal("probe_blind", "the challenge was not answered in time");
                send(socket, &refused, &[]).await;
                return (End::HungUp, stage);
            }
            packet = receive(socket, &mut buffer) => packet,
        };
        packets += 1;
        if packets % PACKETS_A_TURN == 0 {
            tokio::task::yield_now().await;
        }
        let request = match request {
            Packet::End => return (End::HungUp, stage),
            Packet::Kick => {
                let kick = AttachAction::Kick {
                    connection: connection.id,
                };
                tell(&connection.actions, kick).await;
                continue;
            }
            Packet::Bad(why) => {
                send(socket, &refusal("invalid_request", &why), &[]).await;
                return (End::HungUp, stage);
            }
            Packet::Request(request) => request,
        };
        let was_attached = matches!(stage, Stage::Attached);
        if let Request::Hello { library, sites, .. } = &request {
            connection.library = printable(library);
            connection.sites = *sites;
        }
        let mut pending: Pending = Box::pin(handle(connection, stage, request));
        // Kicks are taken while a request is answered: a destroy waits for the very callers that
        // send them.
        let outcome = loop {
            tokio::select! {
                biased;
                _ = death.readable() => {
                    if was_attached {
                        // Its death settles whatever it asked for.
                        drop(pending);
                        return (End::ProcessEnded, Stage::Attached);
                    }
                    // What is under way may hold a reservation, or become an attachment.
                    let outcome = pending.await;
                    return (End::ProcessEnded, outcome.stage);
                }
                outcome = &mut pending => break outcome,
                packet = receive(socket, &mut buffer) => match packet {
                    Packet::Kick => {
                        let kick = AttachAction::Kick { connection: connection.id };
                        tell(&connection.actions, kick).await;
                    }
                    Packet::End => {
                        let outcome = pending.await;
                        return (End::HungUp, outcome.stage);
                    }
                    Packet::Bad(_) | Packet::Request(_) => {
                        let why = "one request at a time: wait for the answer";
                        send(socket, &refusal("invalid_request", why), &[]).await;
                        let outcome = pending.await;
                        return (End::HungUp, outcome.stage);
                    }
                },
            }
        };
        stage = outcome.stage;
        let descriptors: Vec<BorrowedFd> = outcome.descriptors.iter().map(AsFd::as_fd).collect();
        if !send(socket, &outcome.response, &descriptors).await {
            return (End::HungUp, stage);
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

enum Packet {
    End,
    Kick,
    Bad(String),
    Request(Request),
}

async fn receive(socket: &UnixSeqpacket, buffer: &mut [u8]) -> Packet {
    // No control buffer: descriptors that a client sends are dropped by the kernel.
    match socket.recv(buffer).await {
        Ok(info) if info.bytes_read() == 0 => Packet::End,
        Ok(info) if info.truncated() => Packet::Bad(format!("longer than {MAX_PACKET} bytes")),
        Ok(info) => match &buffer[..info.bytes_read()] {
            [KICK] => Packet::Kick,
            bytes => match serde_json::from_slice(bytes) {
                Ok(request) => Packet::Request(request),
                Err(error) => Packet::Bad(format!("not a request: {error}")),
            },
        },
        Err(_) => Packet::End,
    }
}

/// Sends a response; false if the client is gone or does not read.
async fn send(socket: &UnixSeqpacket, response: &Response, descriptors: &[BorrowedFd<'_>]) -> bool {
    let mut text = serde_json::to_vec(response).expect("maps have string keys");
    if text.len() > MAX_PACKET {
        // Only lists of blockers and certificates grow so long; the control socket has them whole.
        let short = refusal(
            "internal",
            "the answer is too long for this socket: ask for it on the control socket",
        );
        text = serde_json::to_vec(&short).expect("strings only");
    }
    let mut space = [0; 128];
    let mut ancillary = AncillaryMessageWriter::new(&mut space);
    if !descriptors.is_empty() && ancillary.add_fds(descriptors).is_err() {
        return false;
    }
    let parts = [std::io::IoSlice::new(&text)];
    let sent = socket.send_vectored_with_ancillary(&parts, &mut ancillary);
    matches!(
        tokio::time::timeout(Duration::from_secs(5), sent).await,
        Ok(Ok(_))
    )
}

async fn handle(connection: &Connection, stage: Stage, request: Request) -> Outcome {
    match (request, stage) {
        (Request::Hello { protocol, .. }, Stage::New) if protocol == PROTOCOL => Outcome::plain(
            Response::Welcome {
                protocol: PROTOCOL,
                daemon: concat!("onaird ", env!("CARGO_PKG_VERSION")).into(),
            },
            Stage::Ready,
        ),
        (Request::Hello { protocol, .. }, Stage::New) => Outcome::plain(
            refusal(
                "protocol_mismatch",
                &format!(
                    "the library speaks protocol {protocol}, this daemon {PROTOCOL}: \
                     install those of one release"
                ),
            ),
            Stage::New,
        ),
        (Request::Create { spec }, Stage::Ready) => Outcome::plain(
            connection.create(spec).await.unwrap_or_else(refuse),
            Stage::Ready,
        ),
        (Request::Attach { session }, Stage::Ready) => connection.attach(&session).await,
        (Request::Proved {}, Stage::Proving(proving)) => connection.proved(*proving).await,
        (Request::Detach {}, Stage::Attached) => match connection.detach().await {
            Ok(()) => Outcome::plain(Response::Detached {}, Stage::Ready),
            Err(problem) => Outcome::plain(refuse(problem), Stage::Attached),
        },
        (Request::Destroy { wait_ms }, Stage::Attached) => Outcome::plain(
            connection.destroy(wait_ms).await.unwrap_or_else(refuse),
            Stage::Attached,
        ),
        (request, stage) => {
            let name = match request {
                Request::Hello { .. } => "hello",
                Request::Create { .. } => "create",
                Request::Attach { .. } => "attach",
                Request::Proved {} => "proved",
                Request::Detach {} => "detach",
                Request::Destroy { .. } => "destroy",
            };
            let why = match &stage {
                Stage::New => "say hello first",
                Stage::Ready => "attach first",
                Stage::Proving(_) => "answer the challenge first",
                Stage::Attached => "the connection carries an attachment already",
            };
            let message = format!("{name} is out of place here: {why}");
            Outcome::plain(refusal("invalid_request", &message), stage)
        }
    }
}

impl Connection {
    async fn ask<T>(&self, action: impl FnOnce(Reply<T>) -> AttachAction) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let ends = || Problem::new(ProblemCode::ShuttingDown, "the daemon is shutting down");
        self.actions.send(action(reply)).await.map_err(|_| ends())?;
        answer.await.unwrap_or_else(|_| Err(ends()))
    }

    fn who(&self) -> Who {
        self.peer.who.clone()
    }

    async fn create(&self, spec: serde_json::Value) -> Result<Response, Problem> {
        let caller = self.authority.admit(&self.peer, Right::Create)?;
        let spec = serde_json::from_value(spec)
            .map_err(|error| Problem::new(ProblemCode::InvalidSpec, error.to_string()))?;
        let spec = Box::new(spec);
        let connection = self.id;
        let view = self
            .ask(|reply| AttachAction::Create {
                caller,
                connection,
                spec,
                reply,
            })
            .await?;
        Ok(Response::Created {
            session: view.id.to_string(),
        })
    }

    async fn attach(&self, session: &str) -> Outcome {
        match self.begin(session).await {
            Ok(outcome) => outcome,
            Err(problem) => Outcome::plain(refuse(problem), Stage::Ready),
        }
    }

    async fn begin(&self, session: &str) -> Result<Outcome, Problem> {
        let caller = self.authority.admit(&self.peer, Right::Attach)?;
        let session: SessionRef = session.parse().map_err(|error: onair_api::id::IdError| {
            Problem::new(ProblemCode::InvalidRequest, error.to_string())
        })?;
        let seat = self
            .ask(|reply| AttachAction::Reserve {
                caller,
                session,
                reply,
            })
            .await?;
        let (probe, required) = match &seat.watching {
            Watching::Required(probe) => (probe.clone(), true),
            Watching::Preferred(probe) => (probe.clone(), false),
            Watching::Off => return Ok(self.admit(seat, None).await),
        };
        match self.arm(&probe).await {
            Ok((armed, token)) => Ok(Outcome::plain(
                Response::Challenge {
                    token: format!("{token:016x}"),
                },
                Stage::Proving(Box::new(Proving {
                    seat,
                    probe,
                    token,
                    armed,
                    since: Instant::now(),
                })),
            )),
            Err(reason) if required => {
                let session = seat.session;
                tell(&self.actions, AttachAction::Release { session }).await;
                Err(Problem::new(ProblemCode::ProbeBlind, reason))
            }
            Err(reason) => {
                tracing::warn!(pid = self.peer.who.pid, reason, "a client is not watched");
                Ok(self.admit(seat, None).await)
            }
        }
    }

    async fn arm(&self, probe: &Probe) -> Result<(Armed, u64), String> {
        if !self.sites {
            return Err(
                "the client does not execute its probe sites (it runs under Valgrind): \
                        set probe.mode to \"preferred\" or \"off\" to let it attach"
                    .into(),
            );
        }
        let armed = probe
            .arm(self.peer.who.pid)
            .await
            .map_err(|error| chain(&error))?;
        let token = probe.challenge().map_err(|error| chain(&error))?;
        Ok((armed, token))
    }

    async fn proved(&self, proving: Proving) -> Outcome {
        let proof = match proving.probe.proof(proving.token) {
            Ok(Some(proof)) => Ok(proof),
            Ok(None) => Err("the probe has not seen the token: the site was not executed".into()),
            Err(error) => Err(chain(&error)),
        };
        let proof = proof.and_then(|proof| {
            let watched = |file: &onair_probe::WatchedFile| file.inode == proof.inode;
            if proof.ns_tgid != self.peer.who.pid {
                Err(format!(
                    "process {} connected and process {} answered the challenge: connect in the \
                     process that attaches",
                    self.peer.who.pid, proof.ns_tgid
                ))
            } else if !proving.armed.files.iter().any(watched) {
                Err("the token came through a file that is not watched".into())
            } else {
                Ok(proof)
            }
        });
        match proof {
            Ok(proof) => {
                let armed = proving.armed;
                self.admit(proving.seat, Some(Box::new(Watched { proof, armed })))
                    .await
            }
            Err(reason) => {
                release(&self.actions, proving).await;
                let problem = Problem::new(ProblemCode::ProbeBlind, reason);
                Outcome::plain(refuse(problem), Stage::Ready)
            }
        }
    }

    async fn admit(&self, seat: Seat, watched: Option<Box<Watched>>) -> Outcome {
        let client = Box::new(Client {
            who: self.who(),
            library: self.library.clone(),
            pidfd: self.pidfd.clone(),
            connection: self.id,
        });
        let session = seat.session;
        let admitted = self
            .ask(|reply| AttachAction::Admit {
                session,
                client,
                watched,
                reply,
            })
            .await;
        match admitted {
            Ok((message, descriptors)) => Outcome {
                response: Response::Attached(message),
                descriptors: descriptors.into(),
                stage: Stage::Attached,
            },
            Err(problem) => Outcome::plain(refuse(problem), Stage::Ready),
        }
    }

    async fn detach(&self) -> Result<(), Problem> {
        let connection = self.id;
        self.ask(|reply| AttachAction::Detach { connection, reply })
            .await
    }

    async fn destroy(&self, wait_ms: Option<u64>) -> Result<Response, Problem> {
        let connection = self.id;
        let who = self.who();
        let wait = wait_ms.map(|ms| Duration::from_millis(ms.min(onair_api::DestroyWait::MAX_MS)));
        let certificate = self
            .ask(|reply| AttachAction::Destroy {
                connection,
                who,
                wait,
                reply,
            })
            .await?;
        Ok(Response::Destroyed {
            certificate: serde_json::to_value(&*certificate).map_err(|error| {
                Problem::new(ProblemCode::Internal, format!("certificate: {error}"))
            })?,
        })
    }
}

async fn release(actions: &mpsc::Sender<AttachAction>, proving: Proving) {
    if let Err(error) = proving.probe.forget_challenge(proving.token) {
        tracing::warn!(%error, "cannot take a challenge back");
    }
    let session = proving.seat.session;
    tell(actions, AttachAction::Release { session }).await;
}

/// Tells the actor; an actor that has ended needs telling nothing.
async fn tell(actions: &mpsc::Sender<AttachAction>, action: AttachAction) {
    let _ = actions.send(action).await;
}

fn identify(socket: &UnixSeqpacket) -> Result<(Peer, OwnedFd), Refused> {
    let failed = |what: &str| Refused {
        code: "forbidden".into(),
        message: what.into(),
        blockers: Vec::new(),
    };
    let credentials = socket
        .peer_cred()
        .map_err(|error| failed(&format!("no credentials: {error}")))?;
    let pid = credentials
        .pid()
        .and_then(|pid| u32::try_from(pid).ok())
        .filter(|pid| *pid != 0)
        .ok_or_else(|| {
            failed(
                "your process is not visible from the daemon's pid namespace: run the daemon in \
                 the host's (hostPID: true), or the client beside it",
            )
        })?;
    let by_socket = sys::peer_pidfd(borrow(socket));
    let pidfd = by_socket.or_else(|_| {
        // Linux before 6.5: by number. The connection is fresh, so the number is still its.
        let pid = i32::try_from(pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
        pidfd_open(pid, PidfdFlags::empty()).map_err(std::io::Error::from)
    });
    let pidfd = pidfd.map_err(|error| failed(&format!("your process has ended: {error}")))?;
    let peer = Peer::read(credentials.uid(), credentials.gid(), pid, Via::Attach);
    Ok((peer, pidfd))
}

fn borrow(socket: &UnixSeqpacket) -> BorrowedFd<'_> {
    socket.as_async_fd().get_ref().as_fd()
}

#[expect(
    deprecated,
    reason = "the replacement is unsafe; an OwnedFd never changes the descriptor it has"
)]
fn watch(pidfd: &OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd.try_clone()?, tokio::io::Interest::READABLE)
}

fn refuse(problem: Problem) -> Response {
    Response::Error(Refused {
        code: problem.code.to_string(),
        message: problem.detail,
        blockers: problem
            .blockers
            .iter()
            .filter_map(|blocker| serde_json::to_value(blocker).ok())
            .collect(),
    })
}

fn refusal(code: &str, message: &str) -> Response {
    Response::Error(Refused {
        code: code.into(),
        message: message.into(),
        blockers: Vec::new(),
    })
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .take(64)
        .collect()
}
