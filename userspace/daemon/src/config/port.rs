//! `[[port]]`: DPDK ports.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[[port]]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Name that sessions use.
    pub name: String,
    /// DPDK device string, or `ring:NAME:a` / `ring:NAME:b` for the ends of an in-process ring.
    pub device: String,
    /// Network namespace (a name under /run/netns) that contains the device.
    #[serde(default)]
    pub netns: Option<String>,
    /// IPv4 address and prefix length.
    pub address: String,
    /// Name of the poller that serves it.
    pub poller: String,
}

impl Port {
    /// Address and prefix length.
    ///
    /// # Errors
    /// [`ConfigError::Value`]: not an address with a prefix length.
    pub fn ipv4(&self) -> Result<(Ipv4Addr, u8), ConfigError> {
        let parsed = self.address.split_once('/').and_then(|(address, prefix)| {
            let prefix: u8 = prefix.parse().ok()?;
            Some((address.parse().ok()?, prefix)).filter(|(_, prefix)| *prefix <= 32)
        });
        parsed.ok_or_else(|| ConfigError::Value {
            key: format!("port.{}.address", self.name),
            value: self.address.clone(),
            problem: "give an IPv4 address with a prefix length, such as 10.77.0.1/24".into(),
        })
    }
}
