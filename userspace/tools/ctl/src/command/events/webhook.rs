//! An HTTP receiver of events: one request and one connection for each, so that a receiver may restart between two.
//! Whether an event is sent again is the caller's to decide.

use std::str::FromStr;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Time that a receiver has for one event.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The receiver's address: `http://HOST[:PORT]/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Webhook {
    host: String,
    port: u16,
    uri: Uri,
}

/// A text that is not the address of a receiver.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWebhook {
    #[error("write it as http://127.0.0.1:9000/onair")]
    Address,
    #[error("https is not supported: give the http address of a relay on this machine")]
    Encrypted,
}

/// Why a receiver did not accept an event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDelivered {
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("the connection failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("the receiver answered {0}")]
    Status(StatusCode),
    #[error("the receiver did not answer within {} s", TIMEOUT.as_secs())]
    Late,
}

impl FromStr for Webhook {
    type Err = InvalidWebhook;

    fn from_str(text: &str) -> Result<Self, InvalidWebhook> {
        let uri: Uri = text.parse().map_err(|_| InvalidWebhook::Address)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(InvalidWebhook::Encrypted),
            _ => return Err(InvalidWebhook::Address),
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(InvalidWebhook::Address)?;
        Ok(Self {
            // An IPv6 address stands in brackets in a URI, and without them for the resolver.
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            uri,
        })
    }
}

impl Webhook {
    /// Sends one event's JSON. Any status of 200 to 299 accepts it.
    pub(crate) async fn post(&self, event: &str) -> Result<(), NotDelivered> {
        let exchange = tokio::time::timeout(TIMEOUT, self.exchange(event));
        match exchange.await.unwrap_or(Err(NotDelivered::Late))? {
            status if status.is_success() => Ok(()),
            status => Err(NotDelivered::Status(status)),
        }
    }

    async fn exchange(&self, event: &str) -> Result<StatusCode, NotDelivered> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(NotDelivered::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // This task drives the exchange and ends with it. The request also returns its error.
        tokio::spawn(connection);
        let path = self.uri.path_and_query().map_or("/", |it| it.as_str());
        let authority = self.uri.authority().map_or("", |it| it.as_str());
        let request = Request::post(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(event.to_owned())))
            .expect("the parts of a parsed URI are valid");
        Ok(sender.send_request(request).await?.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhook_addresses_then_parsed_or_refused() {
        let parsed = |text: &str| text.parse::<Webhook>().map(|it| (it.host, it.port));
        let local = Ok(("127.0.0.1".to_owned(), 9000));
        assert_eq!(parsed("http://127.0.0.1:9000/onair?x=1"), local);
        assert_eq!(parsed("http://hooks/"), Ok(("hooks".to_owned(), 80)));
        assert_eq!(parsed("http://[::1]:81"), Ok(("::1".to_owned(), 81)));
        assert_eq!(parsed("https://a/"), Err(InvalidWebhook::Encrypted));
        for text in ["", "9000", "a:9000", "ftp://a/", "http://", "http:///x"] {
            assert_eq!(parsed(text), Err(InvalidWebhook::Address), "{text:?}");
        }
    }
}
