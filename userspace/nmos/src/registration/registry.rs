//! A Registration API.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;
use axum::http::uri::Scheme;

/// A Registration API of version 1.3 over HTTP. Those with the lowest priority are asked first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Registry {
    /// 0 is the first.
    pub priority: u32,
    /// Address or name of DNS.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Registry {
    /// Where resources are registered.
    pub const BASE: &'static str = "/x-nmos/registration/v1.3";
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

/// Of a URL in the settings: `http://registry:8235`. Its priority is 0.
impl FromStr for Registry {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let error = || RegistryError(text.chars().take(80).collect());
        let uri: Uri = text.parse().map_err(|_| error())?;
        let is_plain = uri.scheme() == Some(&Scheme::HTTP)
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none();
        let host = uri.host().filter(|it| !it.is_empty() && is_plain);
        let host = host.ok_or_else(error)?;
        Ok(Self {
            priority: 0,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
        })
    }
}

/// A text that is no URL of a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the URL of a registry: write http://HOST:PORT, without a path")]
pub struct RegistryError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_of_a_registry_then_its_host_and_port() {
        for (text, shown) in [
            ("http://registry:8235", "registry:8235"),
            ("http://10.0.0.1:8235/", "10.0.0.1:8235"),
            ("http://[fd77::1]:80", "[fd77::1]:80"),
            ("http://registry", "registry:80"),
        ] {
            assert_eq!(text.parse::<Registry>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "registry:8235",
            "https://registry:8235",
            "http://registry/x-nmos",
            "http://:80",
        ] {
            assert!(text.parse::<Registry>().is_err(), "{text}");
        }
    }
}
