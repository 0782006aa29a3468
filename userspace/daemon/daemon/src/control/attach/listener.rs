//! Listens on the attach socket.

use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use onair_api::ProblemCode;
use onair_engine::inputs::{AttachAction, ConnectionId};
use onair_mutant::mutant;
use onair_probe::Probe;
use onair_settings::access::authority::Authority;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_seqpacket::{UnixSeqpacket, UnixSeqpacketListener};

use super::connection::{self, Limits};
use super::identify::identify;
use super::places::Places;
use super::silent::Silent;
use super::wire::{discard_unread, refusal, refuse, send};
use crate::converter::BridgeConnection;
use crate::shutdown::ShutdownCoordinator;
use crate::sockets::connections::{Connections, TurnedAway};
use crate::sockets::socket_file::{BoundSocket, SocketError, SocketFile};

/// Clients accepted before others get a turn.
const ACCEPTED_A_TURN: ConnectionId = 16;
/// For a client without a place to take its refusal: the listener waits for it.
const TURN_AWAY: Duration = Duration::from_millis(10);

/// The bound socket; its file is removed on drop.
#[derive(Debug)]
pub struct Listener {
    socket: UnixSeqpacketListener,
    file: SocketFile,
}

impl Listener {
    /// Listens on `bound`, of the kind SEQPACKET.
    ///
    /// # Errors
    /// [`SocketError`]: the system refuses.
    pub fn of(bound: BoundSocket) -> Result<Self, SocketError> {
        let path = bound.file.path().to_owned();
        let socket = UnixSeqpacketListener::try_from(bound.socket);
        Ok(Self {
            socket: socket.map_err(|error| SocketError::System {
                path,
                what: "poll",
                error,
            })?,
            file: bound.file,
        })
    }

    /// Accepts clients until dropped, or until another daemon takes over: that one accepts who connects from then on.
    /// A task of its own serves each, and each of `bridges`, the connections that the daemon made for its converter. Runs
    /// in a `LocalSet`.
    #[expect(clippy::too_many_arguments, reason = "what each connection gets")]
    pub async fn serve(
        mut self,
        actions: mpsc::Sender<AttachAction>,
        authority: Authority,
        limits: Limits,
        connections: Connections,
        probe: Option<Probe>,
        shutdown: ShutdownCoordinator,
        mut bridges: mpsc::Receiver<(UnixSeqpacket, BridgeConnection)>,
    ) {
        let turned_away = TurnedAway::default();
        let silent = Silent::default();
        let places = Places::new(limits.proving_per_uid, limits.place);
        let mut next = 1;
        let ending = shutdown.token();
        loop {
            if ending.is_cancelled() && shutdown.is_takeover() {
                self.file.leave();
                return std::future::pending().await;
            }
            let accepted = tokio::select! {
                biased;
                () = ending.cancelled(), if !ending.is_cancelled() => continue,
                Some((socket, made)) = bridges.recv() => Ok((socket, Ok(made.into()))),
                accepted = self.socket.accept() => accepted.map(|socket| {
                    let identity = identify(&socket);
                    (socket, identity)
                }),
            };
            let (socket, identity) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors: connected clients are still served.
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let id = next;
            next += 1;
            if id % ACCEPTED_A_TURN == 0 {
                tokio::task::yield_now().await;
            }
            let identity = match identity {
                Ok(identity) => identity,
                Err(refused) => {
                    send(&socket, 0, &refuse(refused), &[], TURN_AWAY).await;
                    discard_unread(&socket);
                    continue;
                }
            };
            // The identity decides whether there is a place for it, so it is read first.
            let place = match connections.take(authority.owner(&identity.peer)) {
                Ok(place) => place,
                Err(refused) => {
                    turned_away.note(&refused);
                    let refused = refusal(ProblemCode::LimitReached, refused.to_string());
                    // A client that does not read is dropped as well.
                    send(&socket, 0, &refused, &[], TURN_AWAY).await;
                    discard_unread(&socket);
                    continue;
                }
            };
            let (actions, places) = (actions.clone(), places.clone());
            let (authority, shutdown) = (authority.clone(), shutdown.clone());
            let to_actor = actions.clone();
            let (silent, probe) = (silent.clone(), probe.clone());
            let serve = connection::serve(
                id, socket, identity, actions, authority, limits, places, silent, probe, shutdown,
            );
            let task = tokio::task::spawn_local(serve);
            tokio::task::spawn_local(async move {
                served(id, task, &to_actor).await;
                drop(place);
            });
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Waits for the end of a connection. A connection that panics counts as hung up: its client sees
/// the socket close, and its part of a session is taken back once it has released it.
async fn served(id: ConnectionId, task: JoinHandle<()>, actions: &mpsc::Sender<AttachAction>) {
    let Err(error) = task.await else { return };
    tracing::error!(connection = id, %error, "a client's connection failed");
    let (attached, ended) = oneshot::channel::<Infallible>();
    let hung_up = AttachAction::HungUp {
        connection: id,
        attached: Box::new(attached),
    };
    // An actor that has ended has taken everything back.
    if !mutant!("attach: a connection that panics has not hung up")
        && actions.send(hung_up).await.is_ok()
    {
        let _ = ended.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connection_its_task_panics_then_the_actor_sees_the_hang_up() {
        let (actions, mut actor) = mpsc::channel(1);
        let task = tokio::spawn(async { panic!("on purpose") });
        let served = tokio::spawn(async move { served(7, task, &actions).await });
        let Some(AttachAction::HungUp {
            connection,
            attached,
        }) = actor.recv().await
        else {
            panic!("it was told something else");
        };
        assert_eq!(connection, 7);
        assert!(
            !served.is_finished(),
            "its place is kept until it has let go"
        );
        drop(attached);
        served.await.unwrap();
    }
}
