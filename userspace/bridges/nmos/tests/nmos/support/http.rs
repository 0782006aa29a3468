//! Requests of HTTP.

use std::net::SocketAddr;

use axum::http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The answer to a request; `None` if the path cannot be asked for.
pub(crate) async fn ask(to: SocketAddr, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
    ask_on(TcpStream::connect(to).await.unwrap(), method, path, body).await
}

/// The document at a path.
pub(crate) async fn read(from: SocketAddr, path: &str) -> Value {
    ask(from, "GET", path, b"").await.unwrap().json()
}

/// As [`ask`], on this connection.
pub(crate) async fn ask_on(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    method: &str,
    path: &str,
    body: &[u8],
) -> Option<Answer> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(body)))
        .ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let (head, body) = response.into_parts();
    Some(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    })
}
