//! Connections: accepted, bounded in number and time, served, and ended in good order.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::http::header;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use onair_api::{ProblemCode, Via};
use onair_probe::share::{Refused, Share};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;

use super::limits::Limits;
use super::refusal::Refusal;
use super::router::router;
use crate::control::authority::Authority;
use crate::control::connections::{Connections, TurnedAway};
use crate::control::handle::ControlHandle;
use crate::control::peer::Peer;
use crate::shutdown::ShutdownCoordinator;

/// Room for a request's head before [`Limits::head_bytes`] is looked at, so that a head somewhat
/// too large gets a problem and not hyper's bare 431.
const HEAD_SLACK: usize = 64 * 1024;
/// Headers of a request, likewise.
const MOST_HEADERS: usize = 1024;
/// Connections without a place that are heard only to be told so; further ones are closed at once.
const TOO_MANY: usize = 16;
/// How long such a one may take over its head.
const TOO_MANY_HEAD: Duration = Duration::from_secs(1);
/// Pause after a failed accept, which fails again at once while descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the control API on `listener` until `shutdown` is ready. Then it accepts no more, ends
/// idle connections, and gives answers under way [`Limits::farewell`].
pub async fn serve(
    listener: UnixListener,
    handle: ControlHandle,
    authority: Authority,
    limits: Limits,
    places: Connections,
    coordinator: ShutdownCoordinator,
    shutdown: impl Future<Output = ()>,
) {
    let router = router(handle, authority.clone(), limits, coordinator);
    let percent = limits.percent;
    let told = Share::new("connections that are refused", "none", TOO_MANY, percent);
    let (told, turned_away) = (Connections::new(told), TurnedAway::default());
    let full_limits = Limits {
        head: limits.head.min(TOO_MANY_HEAD),
        ..limits
    };
    let (ending, _) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => if let Err(error) = ended {
                // Its peer sees the connection end; the others go on.
                tracing::error!(%error, "a connection on the control socket failed");
            },
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let peer = match peer_of(&stream) {
                        Ok(peer) => peer,
                        Err(error) => {
                            tracing::warn!(%error, "a connection without credentials is closed");
                            continue;
                        }
                    };
                    // Who it is decides whether there is a place for it, so it is read before.
                    let owner = authority.owner(&peer);
                    let (place, router, limits) = match places.take(owner) {
                        Ok(place) => (place, router.clone(), limits),
                        Err(refused) => {
                            turned_away.note(&refused);
                            let Ok(place) = told.take(owner) else { continue };
                            (place, overloaded(&refused), full_limits)
                        }
                    };
                    let over = ending.subscribe();
                    connections.spawn(async move {
                        of_a_peer(stream, peer, router, limits, over).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.farewell, all).await.is_err() {
        tracing::warn!("some answers were cut off at the end of the control socket");
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

/// Serves one connection within its limits, until its end or that of `ending`.
pub(in crate::control) async fn connection(
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
    // An error means that `serve` itself is gone, which is an ending too.
    let over = async { drop(ending.wait_for(|&over| over).await) };
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = over => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        tracing::debug!(%error, "connection ended");
    }
}

fn peer_of(stream: &UnixStream) -> io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    // A pid that is not visible from the daemon's namespace is 0.
    let pid = credentials.pid().and_then(|pid| u32::try_from(pid).ok());
    let (uid, gid) = (credentials.uid(), credentials.gid());
    Ok(Peer::read(uid, gid, pid.unwrap_or(0), Via::Control))
}

/// What a connection without a place is told, whatever it asks.
fn overloaded(refused: &Refused) -> Router {
    let detail = refused.to_string();
    Router::new().fallback(move || async move {
        let refusal = Refusal::new(ProblemCode::Overloaded, detail);
        ([(header::CONNECTION, "close")], refusal)
    })
}
