//! The path of the control protocol.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::TokioIo;
use onair_http::{PeerPlace, Peers};
use tokio::sync::{Semaphore, watch};

use super::Control;
use super::socket::serve;
use crate::server::Refusal;

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

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

/// The answer to a request with these headers.
pub(super) fn answer(headers: &HeaderMap) -> Result<Response, Refusal> {
    let has = |name: HeaderName, token: &str| {
        let values = headers.get_all(name);
        let values = values.iter().filter_map(|it| it.to_str().ok());
        let mut tokens = values.flat_map(|it| it.split(','));
        tokens.any(|it| it.trim().eq_ignore_ascii_case(token))
    };
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let is_opening = has(UPGRADE, "websocket") && has(CONNECTION, "upgrade");
    let key = key.filter(|_| is_opening && has(SEC_WEBSOCKET_VERSION, "13"));
    let refused = || {
        let error = "this path is a WebSocket: open one of version 13";
        Refusal::new(StatusCode::UPGRADE_REQUIRED, error)
    };
    let accept = HeaderValue::from_str(&accept(key.ok_or_else(refused)?.as_bytes()));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let own = response.headers_mut();
    own.insert(UPGRADE, HeaderValue::from_static("websocket"));
    own.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    own.insert(SEC_WEBSOCKET_ACCEPT, accept.map_err(|_| refused())?);
    Ok(response)
}

fn accept(key: &[u8]) -> String {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn key_of_the_rfc_then_its_answer() {
        let accept = super::accept(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
