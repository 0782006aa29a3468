//! Which requests a client may send at which stage, and their results.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use onair_api::operations::{Access, Right};
use onair_api::{
    Certificate, NewSession, NewSessionDocument, Problem, ProblemCode, SessionRef, Who,
};
use onair_ipc::message::{
    Abort, Attach, AttachRequest, Challenge, Create, Created, Destroy, Destroyed, Detach, Detached,
    Flush, Flushed, Hello, PROTOCOL, PROTOCOL_MISMATCH, Proved, Refused, Request, Response,
    Welcome,
};
use onair_probe::{Armed, Probe, ProbeError};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::places::{Place, Places};
use super::wire::{refusal, refuse};
use super::{AttachAction, ConnectionId, Reservation, Reserved, Watching};
use crate::access::authority::{Authority, Caller};
use crate::access::peer::Peer;
use crate::diagnostics::error_chain::chain;
use crate::session::attachment::{ClientProcess, Watched};
use crate::shutdown::ShutdownCoordinator;
use onair_session::Reply;

/// First and longest pause before a reservation is requested again.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(32);

/// The stage of a connection.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not sent hello.
    New,
    /// It may create and attach.
    Ready,
    /// It was given a token.
    Proving(Box<Proving>),
    /// It carries an attachment.
    Attached,
}

/// A client that was given a token.
#[derive(Debug)]
pub(super) struct Proving {
    pub(super) reservation: Reservation,
    pub(super) probe: Probe,
    pub(super) token: u64,
    pub(super) armed: Armed,
    /// Its place among the user's clients that are being proven.
    pub(super) _place: Place,
    /// When the challenge was sent.
    pub(super) since: Instant,
}

/// Why a client did not prove that the probe watches it.
#[derive(Debug, thiserror::Error)]
enum NotProven {
    #[error("the probe did not see the token: the site was not executed")]
    Unseen,
    #[error(
        "process {connected} connected and process {answered} answered the challenge: connect in \
         the process that attaches"
    )]
    OtherProcess { connected: u32, answered: u32 },
    #[error("the token came through a file that is not watched")]
    OtherFile,
    #[error(transparent)]
    Probe(ProbeError),
}

/// The result of handling a request.
pub(super) struct Handled {
    pub(super) response: Response,
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) stage: Stage,
}

impl Handled {
    fn plain(response: impl Into<Response>, stage: Stage) -> Self {
        Self {
            response: response.into(),
            descriptors: Vec::new(),
            stage,
        }
    }
}

/// The answer to a request `R`.
type Answered<R> = Result<<R as AttachRequest>::Answer, Problem>;

fn answer<R: AttachRequest<Answer: Into<Response>>>(answered: Answered<R>) -> Response {
    answered.map_or_else(refuse, Into::into)
}

/// The context in which a connection's requests are handled.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) peer: Peer,
    pub(super) pidfd: Arc<OwnedFd>,
    pub(super) actions: mpsc::Sender<AttachAction>,
    pub(super) authority: Authority,
    pub(super) places: Places,
    pub(super) shutdown: ShutdownCoordinator,
    pub(super) library: String,
    pub(super) sites: bool,
}

/// Handles a request.
pub(super) async fn handle(connection: &Connection, stage: Stage, request: Request) -> Handled {
    let _operation = connection.shutdown.count_operation();
    match (request, stage) {
        (Request::Hello(hello), Stage::New) => welcome(&hello),
        (Request::Create(create), Stage::Ready) => {
            let created = connection.create(create).await;
            Handled::plain(answer::<Create>(created), Stage::Ready)
        }
        (Request::Attach(attach), Stage::Ready) => connection.attach(&attach).await,
        (Request::Proved(Proved {}), Stage::Proving(proving)) => connection.proved(*proving).await,
        (Request::Detach(Detach {}), Stage::Attached) => match connection.detach().await {
            Ok(detached) => Handled::plain(detached, Stage::Ready),
            Err(problem) => Handled::plain(refuse(problem), Stage::Attached),
        },
        (Request::Flush(flush), Stage::Attached) => {
            let flushed = connection.flush(&flush).await;
            Handled::plain(answer::<Flush>(flushed), Stage::Attached)
        }
        (Request::Destroy(destroy), Stage::Attached) => {
            let destroyed = connection.destroy(&destroy).await;
            Handled::plain(answer::<Destroy>(destroyed), Stage::Attached)
        }
        (Request::Abort(Abort {}), Stage::Attached) => {
            let destroyed = connection.abort().await;
            Handled::plain(answer::<Abort>(destroyed), Stage::Attached)
        }
        (request, stage) => {
            let why = match &stage {
                Stage::New => "send hello first",
                Stage::Ready => "attach first",
                Stage::Proving(_) => "answer the challenge first",
                Stage::Attached => "the connection carries an attachment already",
            };
            let message = format!("{} is not allowed here: {why}", request.name());
            Handled::plain(refusal(ProblemCode::InvalidRequest, message), stage)
        }
    }
}

fn welcome(hello: &Hello) -> Handled {
    if hello.protocol == PROTOCOL {
        let welcome = Welcome {
            protocol: PROTOCOL,
            daemon: concat!("onaird ", env!("CARGO_PKG_VERSION")).into(),
            tags: true,
            layouts: true,
        };
        return Handled::plain(welcome, Stage::Ready);
    }
    let refused = Refused {
        code: PROTOCOL_MISMATCH.into(),
        message: format!(
            "the library speaks protocol {}, this daemon {PROTOCOL}: install both from one release",
            hello.protocol
        ),
        blockers: Vec::new(),
    };
    Handled::plain(refused, Stage::New)
}

impl Connection {
    async fn ask<T>(&self, action: impl FnOnce(Reply<T>) -> AttachAction) -> Result<T, Problem> {
        let (reply, answer) = Reply::new();
        let ends = || Problem::new(ProblemCode::ShuttingDown, "the daemon is shutting down");
        self.actions.send(action(reply)).await.map_err(|_| ends())?;
        answer.await.unwrap_or_else(|_| Err(ends()))
    }

    fn who(&self) -> Who {
        self.peer.who.clone()
    }

    async fn create(&self, create: Create) -> Answered<Create> {
        let caller = self
            .authority
            .admit(&self.peer, Access::ThisSession(Right::Create))?;
        let _operation = self.shutdown.begin_operation()?;
        let document: NewSessionDocument = serde_json::from_value(create.spec)
            .map_err(|error| Problem::new(ProblemCode::InvalidSpec, error.to_string()))?;
        let session = Box::new(NewSession::try_from(document)?);
        let connection = self.id;
        let view = self
            .ask(|reply| AttachAction::Create {
                caller,
                connection,
                session,
                reply,
            })
            .await?;
        Ok(Created {
            session: view.id.to_string(),
        })
    }

    async fn attach(&self, attach: &Attach) -> Handled {
        let begun = self.begin(attach).await;
        begun.unwrap_or_else(|problem| Handled::plain(refuse(problem), Stage::Ready))
    }

    async fn begin(&self, attach: &Attach) -> Result<Handled, Problem> {
        let caller = self
            .authority
            .admit(&self.peer, Access::ThisSession(Right::Attach))?;
        let _operation = self.shutdown.begin_operation()?;
        let session = attach.session.parse();
        let session: SessionRef = session.map_err(|error: onair_api::id::IdError| {
            Problem::new(ProblemCode::InvalidRequest, error.to_string())
        })?;
        let (place, reservation) = self.reservation(&caller, &session, &attach.layout).await?;
        let (probe, required) = match &reservation.watching {
            Watching::Required(probe) => (probe.clone(), true),
            Watching::Preferred(probe) => (probe.clone(), false),
            Watching::Off => return Ok(self.admit(reservation, None).await),
        };
        match self.arm(&probe).await {
            Ok((armed, token)) => Ok(Handled::plain(
                Challenge {
                    token: format!("{token:016x}"),
                },
                Stage::Proving(Box::new(Proving {
                    reservation,
                    probe,
                    token,
                    armed,
                    _place: place,
                    since: Instant::now(),
                })),
            )),
            Err(problem) if required => {
                let session = reservation.session;
                send_action(&self.actions, AttachAction::Release { session }).await;
                Err(problem)
            }
            Err(problem) => {
                let reason = problem.detail;
                tracing::warn!(pid = self.peer.who.pid, reason, "a client is not watched");
                Ok(self.admit(reservation, None).await)
            }
        }
    }

    /// Takes a place among the clients that are being proven, and a reservation of the session. A
    /// client that left just before may still have the reservation, or an unused converted session
    /// that is about to end: this waits until it is settled, and tries again.
    async fn reservation(
        &self,
        caller: &Caller,
        session: &SessionRef,
        layout: &Option<String>,
    ) -> Result<(Place, Reservation), Problem> {
        let until = Instant::now() + self.places.timeout();
        let mut pause = FIRST_PAUSE;
        loop {
            // Before the reservation: a client that waits for a place takes no slot of the session.
            let place = self.places.take(self.peer.who.uid).await?;
            let (caller, session, layout) = (caller.clone(), session.clone(), layout.clone());
            let reserved = self
                .ask(|reply| AttachAction::Reserve {
                    caller,
                    session,
                    layout,
                    reply,
                })
                .await?;
            match reserved {
                Reserved::Reservation(reservation) => return Ok((place, reservation)),
                Reserved::NotYet { problem, longer } if Instant::now() >= until + longer => {
                    return Err(problem);
                }
                Reserved::NotYet { .. } => drop(place),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn arm(&self, probe: &Probe) -> Result<(Armed, u64), Problem> {
        if !self.sites {
            return Err(Problem::new(
                ProblemCode::ProbeBlind,
                "the client does not execute its probe sites (it runs under Valgrind): \
                        set probe.mode to \"preferred\" or \"off\" to let it attach",
            ));
        }
        let blind = |error: ProbeError| {
            let code = match error {
                // The probe works; this client has used up its share of it.
                ProbeError::Full(_) => ProblemCode::LimitReached,
                _ => ProblemCode::ProbeBlind,
            };
            Problem::new(code, chain(&error))
        };
        let owner = self.authority.owner(&self.peer);
        let armed = probe.arm_for(owner).await.map_err(blind)?;
        let token = probe.challenge().map_err(blind)?;
        Ok((armed, token))
    }

    async fn proved(&self, proving: Proving) -> Handled {
        let proof = match proving.probe.proof(proving.token) {
            Ok(Some(proof)) => Ok(proof),
            Ok(None) => Err(NotProven::Unseen),
            Err(error) => Err(NotProven::Probe(error)),
        };
        let proof = proof.and_then(|proof| {
            let watched = |file: &onair_probe::WatchedFile| file.inode == proof.inode;
            if proof.ns_tgid != self.peer.who.pid {
                Err(NotProven::OtherProcess {
                    connected: self.peer.who.pid,
                    answered: proof.ns_tgid,
                })
            } else if !proving.armed.files.iter().any(watched) {
                Err(NotProven::OtherFile)
            } else {
                Ok(proof)
            }
        });
        match proof {
            Ok(proof) => {
                let armed = proving.armed;
                self.admit(
                    proving.reservation,
                    Some(Box::new(Watched { proof, armed })),
                )
                .await
            }
            Err(reason) => {
                release(&self.actions, proving).await;
                let problem = Problem::new(ProblemCode::ProbeBlind, chain(&reason));
                Handled::plain(refuse(problem), Stage::Ready)
            }
        }
    }

    async fn admit(&self, reservation: Reservation, watched: Option<Box<Watched>>) -> Handled {
        let client = Box::new(ClientProcess {
            who: self.who(),
            library: self.library.clone(),
            pidfd: self.pidfd.clone(),
            connection: self.id,
        });
        let session = reservation.session;
        let admitted = self
            .ask(|reply| AttachAction::Admit {
                session,
                client,
                watched,
                reply,
            })
            .await;
        match admitted {
            Ok((message, descriptors)) => Handled {
                response: Response::Attached(message),
                descriptors: descriptors.into(),
                stage: Stage::Attached,
            },
            Err(problem) => Handled::plain(refuse(problem), Stage::Ready),
        }
    }

    async fn detach(&self) -> Answered<Detach> {
        let connection = self.id;
        self.ask(|reply| AttachAction::Detach { connection, reply })
            .await
            .map(|()| Detached {})
    }

    async fn flush(&self, flush: &Flush) -> Answered<Flush> {
        let connection = self.id;
        let wait = bounded(flush.wait_ms);
        let flushed = self
            .ask(|reply| AttachAction::Flush {
                connection,
                wait,
                reply,
            })
            .await?;
        Ok(Flushed {
            frames_sent: flushed.frames_sent,
        })
    }

    async fn destroy(&self, destroy: &Destroy) -> Answered<Destroy> {
        let connection = self.id;
        let who = self.who();
        let wait = destroy.wait_ms.map(bounded);
        let certificate = self
            .ask(|reply| AttachAction::Destroy {
                connection,
                who,
                wait,
                reply,
            })
            .await?;
        destroyed(&certificate)
    }

    async fn abort(&self) -> Answered<Abort> {
        let connection = self.id;
        let who = self.who();
        let certificate = self
            .ask(|reply| AttachAction::Abort {
                connection,
                who,
                reply,
            })
            .await?;
        destroyed(&certificate)
    }
}

/// The same maximum as on the control socket.
fn bounded(wait_ms: u64) -> Duration {
    Duration::from_millis(wait_ms.min(onair_api::DestroyWait::MAX_MS))
}

fn destroyed(certificate: &Certificate) -> Result<Destroyed, Problem> {
    let certificate = serde_json::to_value(certificate)
        .map_err(|error| Problem::new(ProblemCode::Internal, format!("certificate: {error}")))?;
    Ok(Destroyed { certificate })
}

pub(super) async fn release(actions: &mpsc::Sender<AttachAction>, proving: Proving) {
    if let Err(error) = proving.probe.forget_challenge(proving.token) {
        tracing::warn!(%error, "cannot withdraw a challenge");
    }
    let session = proving.reservation.session;
    send_action(actions, AttachAction::Release { session }).await;
}

/// Sends an action to the actor; an actor that has ended needs none.
pub(super) async fn send_action(actions: &mpsc::Sender<AttachAction>, action: AttachAction) {
    let _ = actions.send(action).await;
}
