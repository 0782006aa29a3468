//! The path of the control protocol.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Json, Router};
use hyper_util::rt::TokioIo;
use tokio::sync::{Semaphore, watch};

use super::Control;
use super::handshake::answer;
use super::socket::serve;
use crate::server::Refusal;
use onair_http::{PeerPlace, Peers};

/// Limits for controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketLimits {
    /// WebSockets at a time.
    pub sockets: usize,
    /// Of these, those from one address.
    pub per_peer: usize,
    /// Bytes of a message.
    pub message: usize,
    /// A controller gets a ping after this time, and is closed if nothing came from it by the next.
    pub ping: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            sockets: 64,
            per_peer: 16,
            message: 64 << 10,
            ping: Duration::from_secs(15),
        }
    }
}

#[derive(Clone)]
struct Shared {
    control: Control,
    limits: SocketLimits,
    places: Arc<Semaphore>,
    peers: Peers,
    ending: watch::Receiver<bool>,
}

/// Its path. WebSockets close when `ending` is true.
pub fn router(control: Control, limits: SocketLimits, ending: watch::Receiver<bool>) -> Router {
    let shared = Shared {
        control,
        limits,
        places: Arc::new(Semaphore::new(limits.sockets)),
        peers: Peers::new(limits.per_peer),
        ending,
    };
    Router::new()
        .route("/x-nmos/ncp", get(async || Json(["v1.0/"])))
        .route("/x-nmos/ncp/v1.0", get(open))
        .with_state(shared)
}

async fn open(
    State(shared): State<Shared>,
    Extension(place): Extension<PeerPlace>,
    mut request: Request,
) -> Result<Response, Refusal> {
    let response = answer(request.headers())?;
    let own = shared.places.try_acquire_owned().ok();
    let peer = shared.peers.enter(place.address());
    let Some(guards) = own.zip(peer) else {
        let error = "too many WebSockets are open: close some";
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error));
    };
    let upgraded = hyper::upgrade::on(&mut request);
    // Each message, and each of its commands, is a turn of its address.
    tokio::spawn(place.taking_turns(async move {
        let _guards = guards;
        match upgraded.await {
            Ok(stream) => {
                let limits = (shared.limits.message, shared.limits.ping);
                serve(TokioIo::new(stream), shared.control, limits, shared.ending).await;
            }
            Err(error) => tracing::debug!(%error, "a WebSocket did not open"),
        }
    }));
    Ok(response)
}
