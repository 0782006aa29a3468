//! The configuration file: TOML, every limit and time-out in it.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onair_api::ProbeMode;
use serde::Deserialize;

/// Why a configuration does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or has a key or a type that it should not have.
    #[error("{path}: {source}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// A value does not hold.
    #[error("{key} = {value}: {problem}")]
    Value {
        /// Key, with its table.
        key: String,
        /// What was given.
        value: String,
        /// What is wrong and what to give instead.
        problem: String,
    },
}

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
    /// Time-outs.
    pub timeouts: Timeouts,
    /// Limits.
    pub limits: Limits,
}

/// `[control]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Path of the HTTP socket.
    pub socket: PathBuf,
    /// Its mode, octal.
    pub mode: String,
    /// Its group; members may do everything but shut the daemon down.
    pub group: Option<String>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            socket: "/run/onair/control.sock".into(),
            mode: "0660".into(),
            group: None,
        }
    }
}

/// `[attach]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attach {
    /// Path of the SOCK_SEQPACKET socket.
    pub socket: PathBuf,
    /// Its mode, octal.
    pub mode: String,
}

impl Default for Attach {
    fn default() -> Self {
        Self {
            socket: "/run/onair/attach.sock".into(),
            mode: "0660".into(),
        }
    }
}

/// `[state]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Directory for certificates.
    pub dir: PathBuf,
    /// Certificates that are kept; the oldest go first.
    pub certificates: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            dir: "/var/lib/onair".into(),
            certificates: 1000,
        }
    }
}

/// Whether hugepages are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hugepages {
    /// If enough are free at the start.
    #[default]
    Auto,
    /// Or the daemon does not start.
    Require,
    /// No.
    Never,
}

/// `[dpdk]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dpdk {
    /// Hugepages.
    pub hugepages: Hugepages,
    /// Memory without hugepages, MiB.
    pub memory_mb: u32,
    /// Probe PCI devices.
    pub pci: bool,
    /// Further arguments for the EAL.
    pub extra_args: Vec<String>,
}

impl Default for Dpdk {
    fn default() -> Self {
        Self {
            hugepages: Hugepages::Auto,
            memory_mb: 512,
            pci: false,
            extra_args: Vec::new(),
        }
    }
}

/// What a poller does with nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Idle {
    /// Spins for a moment, then sleeps until the next packet is due or comes.
    #[default]
    Adaptive,
    /// Spins.
    Busy,
}

/// `[[poller]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poller {
    /// Name.
    pub name: String,
    /// CPU to pin it to.
    pub core: usize,
    /// Idle policy.
    #[serde(default)]
    pub idle: Idle,
}

/// `[[port]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Name, by which sessions refer to it.
    pub name: String,
    /// DPDK device string, or `ring:NAME:a` / `ring:NAME:b` for the ends of an in-process ring.
    pub device: String,
    /// Network namespace (a name under /run/netns) in which the device is opened.
    #[serde(default)]
    pub netns: Option<String>,
    /// IPv4 address and prefix length.
    pub address: String,
    /// Poller that serves it.
    pub poller: String,
}

impl Port {
    /// Address and prefix length.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn ipv4(&self) -> Result<(Ipv4Addr, u8), ConfigError> {
        let parsed = self.address.split_once('/').and_then(|(address, prefix)| {
            let prefix: u8 = prefix.parse().ok()?;
            Some((address.parse().ok()?, prefix)).filter(|(_, prefix)| *prefix <= 32)
        });
        parsed.ok_or_else(|| ConfigError::Value {
            key: format!("port.{}.address", self.name),
            value: self.address.clone(),
            problem: "give an IPv4 address with a prefix length, as 10.77.0.1/24".into(),
        })
    }
}

/// `[probe]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeSection {
    /// Whether no attach and no destroy passes without it.
    pub mode: ProbeMode,
    /// Most files of clients watched at a time.
    pub max_files: usize,
}

impl Default for ProbeSection {
    fn default() -> Self {
        Self {
            mode: ProbeMode::Required,
            max_files: 64,
        }
    }
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs, one object a line.
    Json,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Form.
    pub format: LogFormat,
    /// Filter, as `info` or `info,dpdk=debug`; the variable ONAIR_LOG overrides it.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".into(),
        }
    }
}

/// `[timeouts]`, all in milliseconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// Arming the probe in a client's files.
    pub probe_arm_ms: u64,
    /// A client's answer to the challenge.
    pub prove_ms: u64,
    /// A poller handing a stopped session back.
    pub quiesce_ms: u64,
    /// A place in the control thread's queue.
    pub overload_ms: u64,
    /// Users leaving when the daemon shuts down.
    pub graceful_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            probe_arm_ms: 5000,
            prove_ms: 5000,
            quiesce_ms: 2000,
            overload_ms: 2000,
            graceful_ms: 10_000,
        }
    }
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sessions at a time, 1 to 1024.
    pub sessions: u32,
    /// Connections on the attach socket at a time.
    pub connections: u32,
    /// Frame memory of all sessions together, MiB.
    pub frame_memory_mb: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 256,
            connections: 1024,
            frame_memory_mb: 4096,
        }
    }
}

impl Timeouts {
    /// A value as a duration.
    pub fn duration(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }
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
        let wrong = |key: String, value: String, problem: &str| {
            Err(ConfigError::Value {
                key,
                value,
                problem: problem.into(),
            })
        };
        for (key, mode) in [
            ("control.mode", &self.control.mode),
            ("attach.mode", &self.attach.mode),
        ] {
            if u32::from_str_radix(mode, 8).is_ok_and(|mode| mode <= 0o777) {
                continue;
            }
            return wrong(key.into(), mode.clone(), "give an octal mode, as \"0660\"");
        }
        if self.control.socket == self.attach.socket {
            return wrong(
                "attach.socket".into(),
                self.attach.socket.display().to_string(),
                "give a path of its own; control.socket has this one",
            );
        }
        if !(1..=1024).contains(&self.limits.sessions) {
            return wrong(
                "limits.sessions".into(),
                self.limits.sessions.to_string(),
                "give 1 to 1024",
            );
        }
        let mut names = HashSet::new();
        for poller in &self.poller {
            if !names.insert(&poller.name) {
                return wrong("poller.name".into(), poller.name.clone(), "given twice");
            }
        }
        let mut names = HashSet::new();
        for port in &self.port {
            if !names.insert(&port.name) {
                return wrong("port.name".into(), port.name.clone(), "given twice");
            }
            port.ipv4()?;
            if self.poller_of(port).is_none() {
                return wrong(
                    format!("port.{}.poller", port.name),
                    port.poller.clone(),
                    "no [[poller]] has this name",
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;

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
