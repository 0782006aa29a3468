//! This machine and this process, as the resources name them.

use std::net::IpAddr;

use super::Asset;

/// Where this process answers, and how people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name of the machine, if it is one of DNS.
    pub hostname: Option<String>,
    /// Host of the URLs: an address or a name of DNS.
    pub address: String,
    /// TCP port of the URLs.
    pub port: u16,
    /// It answers over TLS only.
    pub tls: bool,
    /// Label of the node and the device.
    pub label: String,
    /// Their description.
    pub description: String,
    /// Their data for inventories.
    pub asset: Asset,
}

impl Host {
    /// The protocol of the APIs: `api_proto` of IS-04.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self.tls {
            true => "https",
            false => "http",
        }
    }

    /// The start of all URLs, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> String {
        let (protocol, address, port) = (self.protocol(), &self.address, self.port);
        match address.parse() {
            Ok(IpAddr::V6(address)) => format!("{protocol}://[{address}]:{port}"),
            _ => format!("{protocol}://{address}:{port}"),
        }
    }

    /// Base of a version of the Connection API.
    #[must_use]
    pub fn connection(&self, version: &str) -> String {
        format!("{}/x-nmos/connection/{version}", self.base())
    }

    /// The WebSocket of the control protocol.
    #[must_use]
    pub fn control(&self) -> String {
        let base = self.base();
        let rest = base.strip_prefix("http").unwrap_or(&base);
        format!("ws{rest}/x-nmos/ncp/v1.0")
    }
}
