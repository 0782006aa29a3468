//! Listening on the attach socket.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use onair_ipc::message::{Refused, Response};
use rustix::net::SocketType;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_seqpacket::{UnixSeqpacket, UnixSeqpacketListener};

use super::connection::{self, Limits};
use super::places::Places;
use super::{AttachAction, ConnectionId};
use crate::control::authority::Authority;
use crate::control::socket_file::{SocketError, SocketFile, bind_socket};
use crate::shutdown::ShutdownCoordinator;

/// The bound socket; its file is removed on drop.
#[derive(Debug)]
pub struct Listener {
    socket: UnixSeqpacketListener,
    _file: SocketFile,
}

impl Listener {
    /// Binds. A file left by a daemon that was killed is replaced; a living daemon's is not.
    ///
    /// # Errors
    /// [`SocketError`]: somebody listens there, something else is there, or the system refuses.
    pub fn bind(path: &Path, mode: u32, group: Option<u32>) -> Result<Self, SocketError> {
        let bound = bind_socket(path, SocketType::SEQPACKET, mode, group, |socket| {
            if let Err(error) = onair_ipc::sys::refuse_descriptors(socket.as_fd()) {
                tracing::warn!(
                    %error,
                    "this kernel cannot refuse descriptors on a socket (6.16 can): a hostile \
                     client can delay the control thread by sending sockets that linger"
                );
            }
            Ok(())
        })?;
        let socket = UnixSeqpacketListener::try_from(bound.socket);
        Ok(Self {
            socket: socket.map_err(|error| SocketError::System {
                path: path.to_owned(),
                what: "poll",
                error,
            })?,
            _file: bound.file,
        })
    }

    /// Accepts clients, each served by a task of its own, until dropped. Runs in a `LocalSet`.
    pub async fn serve(
        mut self,
        actions: mpsc::Sender<AttachAction>,
        authority: Authority,
        limits: Limits,
        shutdown: ShutdownCoordinator,
    ) {
        let open = Rc::new(Cell::new(0_u32));
        let places = Places::new(limits.proving_per_uid, limits.place);
        let most = limits.connections;
        let mut next = 1;
        loop {
            let socket = match self.socket.accept().await {
                Ok(socket) => socket,
                Err(error) => {
                    // Out of descriptors: those who are connected are served on.
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if open.get() >= most {
                turn_away(socket, most).await;
                continue;
            }
            open.set(open.get() + 1);
            let (open, actions, places) = (open.clone(), actions.clone(), places.clone());
            let shutdown = shutdown.clone();
            let id = next;
            next += 1;
            let to_actor = actions.clone();
            let serve = connection::serve(id, socket, actions, authority, limits, places, shutdown);
            let task = tokio::task::spawn_local(serve);
            tokio::task::spawn_local(async move {
                served(id, task, &to_actor).await;
                open.set(open.get() - 1);
            });
        }
    }
}

/// Waits for the end of a connection. One that panics is as good as hung up: its client sees the socket
/// close, and what it has of a session is taken back once it has let go of it.
async fn served(id: ConnectionId, task: JoinHandle<()>, actions: &mpsc::Sender<AttachAction>) {
    let Err(error) = task.await else { return };
    tracing::error!(connection = id, %error, "a client's connection failed");
    let (attached, ended) = oneshot::channel();
    let hung_up = AttachAction::HungUp {
        connection: id,
        attached,
    };
    // An actor that has ended has taken everything back.
    if actions.send(hung_up).await.is_ok() {
        let _ = ended.await;
    }
}

async fn turn_away(socket: UnixSeqpacket, most: u32) {
    let refused = Response::Error(Refused {
        code: "limit_reached".into(),
        message: format!("{most} clients are connected, as many as limits.connections allows"),
        blockers: Vec::new(),
    });
    let text = serde_json::to_vec(&refused).expect("strings only");
    // A client that does not read is dropped all the same.
    let _ = tokio::time::timeout(Duration::from_millis(10), socket.send(&text)).await;
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connection__its_task_panics__then_the_actor_hears_that_it_has_hung_up() {
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
