//! The configuration file: TOML, every limit and time-out in it. One file a section.

mod control;
mod dpdk;
mod error;
mod limits;
mod log;
mod metrics;
mod poller;
mod port;
mod probe;
mod state;
mod timeouts;

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;

use crate::shutdown::ShutdownConfig;

pub use control::{Attach, Control};
pub use dpdk::{Dpdk, Hugepages};
pub use error::ConfigError;
pub use limits::Limits;
pub use log::{Log, LogFormat};
pub use metrics::Metrics;
pub use poller::{Idle, Poller};
pub use port::Port;
pub use probe::ProbeSection;
pub use state::State;
pub use timeouts::Timeouts;

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The socket for operators.
    pub control: Control,
    /// The socket for clients.
    pub attach: Attach,
    /// What is kept on disk.
    pub state: State,
    /// DPDK.
    pub dpdk: Dpdk,
    /// Polling threads.
    pub poller: Vec<Poller>,
    /// Ports.
    pub port: Vec<Port>,
    /// The eBPF probe.
    pub probe: ProbeSection,
    /// The log.
    pub log: Log,
    /// Metrics over TCP.
    pub metrics: Metrics,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// Limits.
    pub limits: Limits,
    /// The daemon's end.
    pub shutdown: ShutdownConfig,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`], which names the key and says what to give instead.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        config.check()?;
        Ok(config)
    }

    /// Which poller serves a port, by position.
    pub fn poller_of(&self, port: &Port) -> Option<usize> {
        self.poller.iter().position(|p| p.name == port.poller)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.control.check()?;
        self.attach.check(&self.control)?;
        self.state.check()?;
        self.limits.check()?;
        let mut names = HashSet::new();
        for poller in &self.poller {
            if !names.insert(&poller.name) {
                return Err(ConfigError::value(
                    "poller.name",
                    &poller.name,
                    "given twice",
                ));
            }
        }
        let mut names = HashSet::new();
        for port in &self.port {
            if !names.insert(&port.name) {
                return Err(ConfigError::value("port.name", &port.name, "given twice"));
            }
            port.ipv4()?;
            if self.poller_of(port).is_none() {
                return Err(ConfigError::value(
                    format!("port.{}.poller", port.name),
                    &port.poller,
                    "no [[poller]] has this name",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;
    use onair_api::ProbeMode;

    fn parse(text: &str) -> Result<Config, String> {
        let config: Config = toml::from_str(text).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    const PORT: &str =
        "[[poller]]\nname=\"p\"\ncore=0\n[[port]]\nname=\"a\"\ndevice=\"ring:x:a\"\n";

    #[test]
    fn config__empty__then_defaults() {
        let config = parse("").unwrap();
        assert_eq!(config.probe.mode, ProbeMode::Required);
        assert_eq!(config.timeouts.graceful_ms, 10_000);
    }

    #[test]
    fn config__wrong_values__then_named_with_what_to_do() {
        for (text, expected) in [
            ("[control]\nsocked = 1".to_owned(), "unknown field `socked`"),
            ("[control]\nmode = \"999\"".into(), "octal mode"),
            ("[probe]\nmode = \"maybe\"".into(), "required"),
            ("[limits]\nsessions = 0".into(), "1 to 1024"),
            ("[state]\ncertificates = 0".into(), "1 to 100000"),
            ("[state]\ncertificate_days = 40000".into(), "0 to 36500"),
            (
                format!("{PORT}address=\"10.0.0.1\"\npoller=\"p\""),
                "prefix length",
            ),
            (
                format!("{PORT}address=\"10.0.0.1/24\"\npoller=\"q\""),
                "no [[poller]]",
            ),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(parse(&format!("{PORT}address=\"10.0.0.1/24\"\npoller=\"p\"")).is_ok());
    }
}
