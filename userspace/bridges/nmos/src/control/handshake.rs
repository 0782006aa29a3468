//! The opening handshake of a WebSocket (RFC 6455 §4.2).

use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::server::Refusal;

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

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
