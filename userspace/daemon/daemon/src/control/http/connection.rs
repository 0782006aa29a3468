//! Connections: accepted, limited in number and time, served, and closed in order.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::http::header;
use futures_util::FutureExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use onair_api::{ProblemCode, Via};
use onair_settings::access::authority::Authority;
use onair_settings::access::peer::Peer;
use onair_shares::{Refused, Share};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

use super::limits::Limits;
use super::refusal::Refusal;
use super::router::router;
use crate::control::handle::ControlHandle;
use crate::shutdown::ShutdownCoordinator;
use crate::sockets::connections::{Connections, TurnedAway};
use crate::sockets::turns::Turns;
use crate::takeover::Takeover;

/// Room for a request's head above [`Limits::head_bytes`], so that a slightly larger head gets a
/// problem and not hyper's bare 431.
const HEAD_SLACK: usize = 64 * 1024;
/// Headers of a request, for the same reason.
const MOST_HEADERS: usize = 1024;
/// Connections without a place that are read only to be refused; further ones are closed at once.
const TOO_MANY: usize = 16;
/// Time that such a connection has for its head.
const TOO_MANY_HEAD: Duration = Duration::from_secs(1);
/// Connections taken from the listener's queue at the end.
const LAST: usize = 1024;
/// Pause after a failed accept, which fails again at once while descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the control API on `listener` until `shutdown` is ready. Then it takes what has arrived
/// by then, and no more: requests on connections, and connections in the listener's queue. It
/// closes idle connections, and gives answers in progress [`Limits::final_event`].
pub async fn serve(
    listener: UnixListener,
    handle: ControlHandle,
    authority: Authority,
    limits: Limits,
    places: Connections,
    (coordinator, takeover): (ShutdownCoordinator, Takeover),
    shutdown: impl Future<Output = ()>,
) {
    let refused_places = Share::new(
        "connections that are refused",
        "none",
        TOO_MANY,
        limits.percent,
    );
    let door = Door {
        router: router(handle, authority.clone(), limits, coordinator, takeover),
        authority,
        limits,
        places,
        refused_places: Connections::new(refused_places),
        turned_away: TurnedAway::default(),
        turns: Turns::default(),
        ending: watch::channel(false).0,
    };
    let mut rounds = JoinSet::new();
    rounds.spawn(door.turns.clone().begin_rounds());
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => if let Err(error) = ended {
                // Its peer sees the connection end; the others continue.
                tracing::error!(%error, "a connection on the control socket failed");
            },
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => door.begin(stream, &mut connections),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // A client in the listener's queue has connected before the end, and may have sent a request.
    tokio::task::yield_now().await;
    for _ in 0..LAST {
        match listener.accept().now_or_never() {
            Some(Ok((stream, _))) => door.begin(stream, &mut connections),
            Some(Err(_)) | None => break,
        }
    }
    drop(listener);
    door.ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.final_event, all).await.is_err() {
        tracing::warn!("the control socket closed before some answers were complete");
    }
}

/// Decides about a new connection.
struct Door {
    router: Router,
    authority: Authority,
    limits: Limits,
    places: Connections,
    /// Connections without a place, which are told so.
    refused_places: Connections,
    turned_away: TurnedAway,
    turns: Turns,
    ending: watch::Sender<bool>,
}

impl Door {
    fn begin(&self, stream: UnixStream, connections: &mut JoinSet<()>) {
        let peer = match peer_of(&stream) {
            Ok(peer) => peer,
            Err(error) => {
                tracing::warn!(%error, "a connection without credentials is closed");
                return;
            }
        };
        // The peer decides whether there is a place for it, so it is read first.
        let owner = self.authority.owner(&peer);
        let (place, router, limits) = match self.places.take(owner) {
            Ok(place) => (place, self.router.clone(), self.limits),
            Err(refused) => {
                self.turned_away.note(&refused);
                let Ok(place) = self.refused_places.take(owner) else {
                    return;
                };
                let limits = Limits {
                    head: self.limits.head.min(TOO_MANY_HEAD),
                    ..self.limits
                };
                (place, overloaded(&refused), limits)
            }
        };
        let (over, turns) = (self.ending.subscribe(), self.turns.clone());
        connections.spawn(async move {
            let served = of_a_peer(stream, peer, router, limits, over);
            turns.run(owner, served).await;
            drop(place);
        });
    }
}

async fn of_a_peer(
    stream: UnixStream,
    peer: Peer,
    router: Router,
    limits: Limits,
    ending: watch::Receiver<bool>,
) {
    tracing::debug!(peer = %peer.who, "control connection");
    connection(stream, router.layer(Extension(peer)), limits, ending).await;
}

/// Serves one connection within its limits, until it ends or `ending` is set.
pub(crate) async fn connection(
    stream: impl AsyncRead + AsyncWrite,
    router: Router,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(router);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_headers(MOST_HEADERS)
            .max_header_size(limits.head_bytes + HEAD_SLACK)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
    );
    // An error means that `serve` itself is gone, which is an end too.
    let over = async { drop(ending.wait_for(|&over| over).await) };
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = over => {
            // A request that has arrived is read first: it counts as in progress then. The event
            // loop polls the sockets in between.
            for _ in 0..2 {
                tokio::task::yield_now().await;
                if let Some(end) = connection.as_mut().now_or_never() {
                    return ended(end);
                }
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended(end);
}

fn ended(end: Result<(), hyper::Error>) {
    if let Err(error) = end {
        tracing::debug!(%error, "connection ended");
    }
}

fn peer_of(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    // The pid is 0 if it is not visible from the daemon's namespace.
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
    let (uid, gid) = (credentials.uid(), credentials.gid());
    Ok(Peer::read(
        stream.as_fd(),
        uid,
        gid,
        pid.unwrap_or(0),
        Via::Control,
    ))
}

/// The answer to every request of a connection without a place.
fn overloaded(refused: &Refused) -> Router {
    let detail = refused.to_string();
    Router::new().fallback(move || async move {
        let refusal = Refusal::new(ProblemCode::Overloaded, detail);
        ([(header::CONNECTION, "close")], refusal)
    })
}
