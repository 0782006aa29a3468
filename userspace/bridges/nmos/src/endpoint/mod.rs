//! An API of another machine, and the way to it.

mod dial;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::Uri;
use axum::http::uri::Scheme;
use serde::Deserialize;

pub(crate) use dial::{Sender, dial, exchange, head};

/// First pause after a failure; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause.
const LONGEST: Duration = Duration::from_secs(30);

/// The pause after so many failures in a row, and one.
pub(crate) fn pause(failures: u32) -> Duration {
    PAUSE.saturating_mul(1 << failures.min(5)).min(LONGEST)
}

/// An API that this program asks. Those with the lowest priority are asked first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint {
    /// 0 is the first.
    pub priority: u32,
    /// Address or name of DNS.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Name that its certificate has: it is asked over TLS. `None`: over plain HTTP.
    pub tls: Option<String>,
}

/// Name and port, as URLs have them.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.tls.as_ref().unwrap_or(&self.host), self.port);
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

/// Of a URL in the settings: `https://registry:8235`. Its priority is 0.
impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = || EndpointError(text.chars().take(80).collect());
        let uri: Uri = text.parse().map_err(|_| error())?;
        let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
        let has_scheme = is_tls || uri.scheme() == Some(&Scheme::HTTP);
        let is_base = has_scheme && matches!(uri.path(), "" | "/") && uri.query().is_none();
        let host = uri.host().filter(|it| !it.is_empty() && is_base);
        let host = host.ok_or_else(error)?.trim_matches(['[', ']']).to_owned();
        Ok(Self {
            priority: 0,
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            tls: is_tls.then(|| host.clone()),
            host,
        })
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

/// A text that is no URL of an API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the URL of an API: write http://HOST:PORT or https://HOST:PORT, without a path"
)]
pub struct EndpointError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_of_an_api_then_its_host_and_port() {
        for (text, shown) in [
            ("http://registry:8235", "registry:8235"),
            ("http://10.0.0.1:8235/", "10.0.0.1:8235"),
            ("http://[fd77::1]:80", "[fd77::1]:80"),
            ("http://registry", "registry:80"),
            ("https://registry", "registry:443"),
        ] {
            let endpoint = text.parse::<Endpoint>().unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(endpoint.tls.is_some(), text.starts_with("https"));
        }
        for text in [
            "",
            "registry:8235",
            "ftp://registry:8235",
            "http://registry/x-nmos",
            "http://:80",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
