//! How a client attaches: a reservation, the proof that the probe watches it, the admission.

use std::time::Duration;

use onair_api::operations::{Access, Right};
use onair_api::{Problem, ProblemCode, SessionRef};
use onair_engine::inputs::{AttachAction, NoPlace, Reservation};
use onair_engine::machine::Watching;
use onair_engine::session::attachment::{ClientProcess, Watched};
use onair_ipc::message::{Attach, Challenge, Response};
use onair_probe::{Armed, Probe, ProbeError};
use onair_settings::access::authority::Caller;
use onair_settings::diagnostics::chain;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::places::TakenPlace;
use super::requests::{Connection, send_action};
use super::stage::{Handled, Proving, Role, Stage};
use super::wire::refuse;
use crate::clients::inspector::ArmedSites;

/// First and longest pause before a reservation is requested again.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(32);

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

impl Connection {
    pub(super) async fn attach(&self, attach: Attach) -> Handled {
        let begun = match &self.end {
            Some(end) => self.begin(&end.attach()).await,
            None => self.begin(&attach).await,
        };
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
        let (place, reservation) = self.reservation(&caller, &session, attach).await?;
        let required = reservation.watching == Watching::Required;
        let watches = reservation.watching != Watching::Off;
        let Some(probe) = self.probe.clone().filter(|_| watches) else {
            return Ok(self.admit(reservation, None, attach.into()).await);
        };
        match self.arm(&probe).await {
            Ok((armed, token)) => Ok(Handled::plain(
                Challenge {
                    token: format!("{token:016x}"),
                },
                Stage::Proving(Box::new(Proving {
                    reservation,
                    role: attach.into(),
                    probe,
                    token,
                    armed,
                    _place: place,
                    since: Instant::now(),
                })),
            )),
            Err(problem) if required => {
                unreserve(&self.actions, reservation).await;
                Err(problem)
            }
            Err(problem) => {
                self.silent.note_unwatched(&self.peer, &problem.detail);
                Ok(self.admit(reservation, None, attach.into()).await)
            }
        }
    }

    /// Takes a place among the clients that are being proven, and a reservation of the session. A
    /// client that left just before may still have the reservation: this waits until it is settled, and
    /// tries again.
    async fn reservation(
        &self,
        caller: &Caller,
        session: &SessionRef,
        attach: &Attach,
    ) -> Result<(TakenPlace, Reservation), Problem> {
        let until = Instant::now() + self.places.timeout();
        let mut pause = FIRST_PAUSE;
        loop {
            // Before the reservation: a client that waits for a place takes no slot of the session.
            let place = self.places.take(self.peer.who.uid).await?;
            let (caller, session) = (caller.clone(), session.clone());
            let (layout, fills) = (attach.layout.clone(), attach.fills);
            let reserved = self
                .ask(|reply| AttachAction::Reserve {
                    caller,
                    session,
                    layout,
                    fills,
                    reply,
                })
                .await?;
            match reserved {
                Ok(reservation) => return Ok((place, reservation)),
                Err(NoPlace { problem, waits }) => {
                    if !waits || Instant::now() >= until {
                        return Err(*problem);
                    }
                    drop(place);
                }
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

    pub(super) async fn proved(&self, proving: Proving) -> Handled {
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
                let Armed { files, checker } = proving.armed;
                let watched = Box::new(Watched {
                    proof,
                    files,
                    sites: Box::new(ArmedSites(checker)),
                });
                self.admit(proving.reservation, Some(watched), proving.role)
                    .await
            }
            Err(reason) => {
                release(&self.actions, proving).await;
                let problem = Problem::new(ProblemCode::ProbeBlind, chain(&reason));
                Handled::plain(refuse(problem), Stage::Ready)
            }
        }
    }

    async fn admit(
        &self,
        reservation: Reservation,
        watched: Option<Box<Watched>>,
        role: Role,
    ) -> Handled {
        let client = Box::new(ClientProcess {
            who: self.who(),
            library: self.library.clone(),
            pidfd: self.pidfd.clone(),
            connection: self.id,
            after: role.after,
            fills: role.fills,
            samples: role.samples,
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
}

pub(super) async fn release(actions: &mpsc::Sender<AttachAction>, proving: Proving) {
    if let Err(error) = proving.probe.forget_challenge(proving.token) {
        tracing::warn!(%error, "cannot withdraw a challenge");
    }
    unreserve(actions, proving.reservation).await;
}

async fn unreserve(actions: &mpsc::Sender<AttachAction>, reservation: Reservation) {
    let session = reservation.session;
    if reservation.takes_place {
        send_action(actions, AttachAction::Release { session }).await;
    }
}
