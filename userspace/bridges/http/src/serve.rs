//! Answers a listener, within limits, until it is told to end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Uri;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

use crate::peers::{PeerPlace, Peers};

/// Most connections that wait; others are closed.
const WAIT: usize = 1024;
/// Pause after an accept() that failed: the process has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `router`, over TLS only if there is an acceptor, until `ending` is true, or its sender is gone. Requests that have
/// arrived are answered then.
pub async fn serve(
    (listener, tls): (TcpListener, Option<TlsAcceptor>),
    router: Router,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let (mut connections, peers) = (JoinSet::new(), Peers::new(limits.per_peer));
    loop {
        let accepted = tokio::select! {
            _ = ending.wait_for(|it| *it) => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(_) if connections.len() >= limits.connections + WAIT => {}
            Ok((stream, from)) => {
                if let Some(place) = peers.place(from.ip().to_canonical(), &places) {
                    let (tls, mut over) = (tls.clone(), ending.clone());
                    let with = (router.clone(), limits, ending.clone());
                    connections.spawn(async move {
                        let place = tokio::select! {
                            place = place => place,
                            _ = over.wait_for(|it| *it) => return,
                        };
                        connection(stream, tls, place, with).await;
                    });
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a connection is not accepted");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let rest = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.write, rest).await.is_err() {
        tracing::warn!("connections are cut off: their clients do not read");
    }
}

/// Parts that serve a connection.
type With = (Router, Limits, watch::Receiver<bool>);

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, place: PeerPlace, mut with: With) {
    let (_, limits, ending) = &mut with;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.write));
    let stream = Box::pin(stream);
    let Some(tls) = tls else {
        return exchange(stream, place, with).await;
    };
    let handshake = tokio::select! {
        it = timeout(limits.handshake, tls.accept(stream)) => it,
        _ = ending.wait_for(|it| *it) => return,
    };
    match handshake {
        Ok(Ok(stream)) => exchange(stream, place, with).await,
        Ok(Err(error)) => tracing::debug!(%error, "a handshake of TLS failed"),
        Err(_) => tracing::debug!("a handshake of TLS took too long"),
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: PeerPlace,
    (router, limits, mut ending): With,
) {
    // One that has asked for nothing yet is not idle.
    let has_asked = Arc::new(Notify::new());
    let (first, own) = (Arc::clone(&has_asked), place.clone());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head.max(8 << 10))
        .serve_connection(TokioIo::new(stream), service(router, place, has_asked))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let over = async {
        tokio::select! {
            _ = ending.wait_for(|it| *it) => {}
            () = async { first.notified().await; own.wanted().await } => {}
        }
    };
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = over => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = end {
        tracing::debug!(%error, "a connection ended");
    }
}

/// `router`, where a slash at the end of a path makes no difference. Requests have the connection's place, and take turns.
fn service(
    router: Router,
    place: PeerPlace,
    has_asked: Arc<Notify>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
+ Send
+ 'static {
    let router = TowerToHyperService::new(router);
    service_fn(move |mut request: Request<Incoming>| {
        has_asked.notify_one();
        if let Some(uri) = without_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        request.extensions_mut().insert(place.clone());
        place.taking_turns(router.call(request.map(Body::new)))
    })
}

fn without_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|it| !it.is_empty())?;
    let query = uri.query().map(|it| format!("?{it}")).unwrap_or_default();
    format!("{path}{query}").parse().ok()
}

/// Limits of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; others wait.
    pub connections: usize,
    /// Of these, those from one address; others wait, and idle ones are closed for them.
    pub per_peer: usize,
    /// Bytes of a request's body: a bulk request for some hundred sessions.
    pub body: usize,
    /// Bytes of a request's head.
    pub head: usize,
    /// Time of the head of a request, from the end of the one before: an idle connection has a place for so long.
    pub head_time: Duration,
    /// Time of the handshake of TLS.
    pub handshake: Duration,
    /// Time of a request's body, and of each further part of a long one.
    pub body_time: Duration,
    /// Time of a request and its answer.
    pub request: Duration,
    /// Time in which a client reads some of an answer, and in which all end when the process does.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            per_peer: 64,
            body: 1 << 20,
            head: 16 << 10,
            head_time: Duration::from_secs(15),
            handshake: Duration::from_secs(5),
            body_time: Duration::from_secs(5),
            request: Duration::from_secs(30),
            write: Duration::from_secs(5),
        }
    }
}
