//! Connections to other machines.

use std::path::Path;
use std::time::Duration;

use axum::http::header::{ACCEPT, HOST};
use axum::http::request::Builder;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Endpoint;
use crate::tls;

/// Time to connect. A registry that does not answer must not cost a heartbeat to the next.
const CONNECT: Duration = Duration::from_secs(2);
/// Time of the handshake of TLS after that.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Time of a request and its answer.
const ANSWER: Duration = Duration::from_secs(4);

/// A connection.
pub(crate) type Sender = SendRequest<Full<Bytes>>;

/// Connects within 5 s. Over TLS, `ca` has the authorities that are trusted. The error is for people.
pub(crate) async fn dial(to: &Endpoint, ca: &Path) -> Result<Sender, String> {
    let stream = TcpStream::connect((to.host.as_str(), to.port));
    let stream = timeout(CONNECT, stream).await;
    let stream = stream.map_err(|_| format!("no connection in {CONNECT:?}"))?;
    let stream = stream.map_err(|error| error.to_string())?;
    // A registration is many small requests, one after the other.
    { stream.set_nodelay(true) }.map_err(|error| error.to_string())?;
    let Some(name) = &to.tls else {
        return speak(stream).await;
    };
    let stream = timeout(HANDSHAKE, tls::connect(stream, name, ca)).await;
    speak(stream.map_err(|_| format!("no TLS in {HANDSHAKE:?}"))??).await
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<Sender, String> {
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    // It ends with the sender, or when the other machine closes it.
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends a request: the status of the answer, and its body of at most so many bytes, in [`ANSWER`].
pub(crate) async fn exchange(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
    longest: usize,
) -> Result<(u16, Option<Bytes>), String> {
    let exchange = async {
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), longest).collect().await;
        Ok::<_, hyper::Error>((status, body.ok().map(Collected::to_bytes)))
    };
    let answer = timeout(ANSWER, exchange).await;
    let answer = answer.map_err(|_| format!("no answer in {ANSWER:?}"))?;
    answer.map_err(|error| error.to_string())
}

/// The head of a request.
pub(crate) fn head(to: &Endpoint, method: &str, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, to.to_string())
        .header(ACCEPT, "application/json")
}
