//! The configuration file (TOML): every limit and time-out. One source file a section.

mod dataplane;
mod error;
mod machine;
mod output;
mod probe;
pub mod reload;
mod shutdown;
mod sockets;
mod timeouts;
mod wording;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use onair_api::{NewSession, NewSessionDocument, SessionSpec, did_you_mean};
use onair_dpdk::{ETHERNET_MTU, EalConfig, Hugepages, PortConfig};

pub use self::shutdown::{OnPollerDeath, Policy, ShutdownConfig};

pub use dataplane::Signal;
pub use dataplane::clock::{Clock, PhcSetting, PtpQuestion};
pub use dataplane::poller::{Idle, Poller};
pub use dataplane::port::Port;
pub use error::ConfigError;
pub use output::Recorder;
pub use output::StateConfig;
pub use output::{Log, LogFormat};
pub use probe::ProbeSection;
pub use sockets::control::Metrics;
pub use sockets::control::{Attach, Control, Role, RoleOf};
pub use sockets::limits::Limits;
pub use timeouts::Timeouts;
pub use timeouts::ms;

/// `onaird --config FILE` reads one TOML file. `--check-config` reports the first error and exits.
/// An unknown key or an invalid value is an error (exit status 6) that names the key and a
/// valid value. A missing interface or PCI device has status 1.
///
/// ```toml
/// # Two ports in one process, wired to each other.
/// [[poller]]
/// name = "p0"
///
/// [[port]]
/// name = "a"
/// device = "ring:demo:a"
/// address = "10.77.0.1/24"
/// poller = "p0"
///
/// [[port]]
/// name = "b"
/// device = "ring:demo:b"
/// address = "10.77.0.2/24"
/// poller = "p0"
/// ```
///
/// Each key stands with its default, its range, and `live` if a [reload](#reload) changes it. The
/// variable `ONAIR_LOG` overrides `log.filter`; `ONAIR_SOCKET` names the control socket,
/// `ONAIR_ATTACH` the attach socket.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// File that it was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// The control socket.
    pub control: Control,
    /// The attach socket.
    pub attach: Attach,
    /// State on disk.
    pub state: StateConfig,
    /// DPDK.
    pub dpdk: EalConfig,
    /// Polling threads.
    pub poller: Vec<Poller>,
    /// Ports.
    pub port: Vec<Port>,
    /// `[[session]]`: a session that the daemon creates at each start (repeatable)
    ///
    /// The body of `POST /v1/sessions` as TOML. `health` names each that the daemon cannot create.
    ///
    /// ```toml
    /// [[session]]
    /// name = "studio"
    /// direction = "receive"
    /// port = "b"
    /// video = { width = 1280, height = 720, frame_rate = "60/1", depth = 8 }
    /// flow = { destination = "10.77.0.2:5004" }
    ///
    /// [[session]]
    /// name = "studio-v210"
    /// convert = { from = "studio", layout = "v210" }
    /// ```
    ///
    /// The source of a converted session must be in this file.
    pub session: Vec<NewSessionDocument>,
    /// The eBPF probe.
    pub probe: ProbeSection,
    /// How ptp4l is asked about the clock.
    pub clock: Clock,
    /// The log.
    pub log: Log,
    /// Metrics over TCP.
    pub metrics: Metrics,
    /// Recordings.
    pub recorder: Recorder,
    /// When a session has no picture, or not the right one.
    pub signal: Signal,
    /// Time-outs.
    pub timeouts: Timeouts,
    /// Limits.
    pub limits: Limits,
    /// Shutdown.
    pub shutdown: ShutdownConfig,
}

/// Longest configuration file, bytes: 1,024 sessions with every key need less than half.
const MOST_BYTES: u64 = 4 << 20;

fn read(path: &Path) -> std::io::Result<String> {
    let bytes = onair_disk::read_named(path, MOST_BYTES)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`]: the key, and which values are valid.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config = Self::parse(&text, path)?;
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// Checks `text`, which errors say is in the file `path`.
    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            advice: wording::advice(text, &source),
            source: Box::new(source),
        })?;
        config.check()?;
        Ok(config)
    }

    /// The configuration of `--demo`: a sender and a receiver in one process.
    ///
    /// # Panics
    /// Never: a test reads it.
    #[must_use]
    pub fn demo() -> Self {
        toml::from_str(include_str!("demo.toml")).expect("a test reads it")
    }

    /// Indices of the pollers that serve a port; `None` for a name that no poller has.
    pub fn pollers_of(&self, port: &Port) -> impl Iterator<Item = Option<usize>> {
        let place = |name: &String| self.poller.iter().position(|it| it.name == *name);
        port.pollers().iter().map(place)
    }

    /// Path of the socket that ptp4l answers to: beside the control socket, where each daemon has a
    /// name of its own.
    #[must_use]
    pub fn ptp_reply_socket(&self) -> PathBuf {
        self.control.socket.with_extension("ptp")
    }

    /// Sessions created at every start, converted ones after their sources.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first invalid field.
    pub fn sessions(&self) -> Result<Vec<SessionSpec>, ConfigError> {
        let mut names = HashSet::new();
        let mut converted = Vec::new();
        let mut sessions = Vec::new();
        for document in &self.session {
            let name = &document.name;
            if !names.insert(name) {
                return Err(ConfigError::value("session.name", name, "given twice"));
            }
            let session = NewSession::try_from(document.clone())
                .map_err(|error| ConfigError::value("session.name", name, error.to_string()))?;
            let mut spec = match session {
                NewSession::Complete(spec) => *spec,
                NewSession::Converted(session) => {
                    converted.push(session);
                    continue;
                }
            };
            if !self.port.iter().any(|port| port.name == spec.port) {
                let key = format!("session.{name}.port");
                let hint = did_you_mean(&spec.port, self.port.iter().map(|it| it.name.as_str()));
                let problem = format!("no [[port]] has this name{hint}");
                return Err(ConfigError::value(key, &spec.port, problem));
            }
            spec.persistent = true;
            sessions.push(spec);
        }
        for mut session in converted {
            let (name, from) = (&session.name, &session.convert.from);
            let source = sessions.iter().find(|it| it.name == *from);
            let is_source = |it: &&SessionSpec| it.convert.is_none();
            let Some(source) = source.filter(is_source).cloned() else {
                let key = format!("session.{name}.convert.from");
                let problem = "no [[session]] that receives packets has this name";
                return Err(ConfigError::value(key, from, problem));
            };
            session.persistent = true;
            sessions.push(session.of(&source));
        }
        Ok(sessions)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.sessions()?;
        self.control.check()?;
        self.attach.check(&self.control)?;
        self.state.check()?;
        self.metrics.check()?;
        self.clock.check()?;
        self.recorder.check()?;
        self.signal.check()?;
        self.timeouts.check()?;
        self.limits.check()?;
        self.shutdown.check()?;
        self.probe.check(self.limits.connections)?;
        dataplane::poller::check(&self.poller)?;
        dataplane::port::check(&self.port)?;
        self.check_memory()?;
        for port in &self.port {
            for (name, place) in port.pollers().iter().zip(self.pollers_of(port)) {
                if place.is_none() {
                    let names = self.poller.iter().map(|it| it.name.as_str());
                    let hint = did_you_mean(name, names);
                    let problem = format!("no [[poller]] has this name{hint}");
                    return Err(port.wrong(port.key(), name, problem));
                }
            }
            if port.pci()?.is_some() && !self.dpdk.pci {
                let problem = "this is a PCI device: set dpdk.pci = true";
                return Err(port.wrong("device", &port.device, problem));
            }
        }
        Ok(())
    }

    /// Checks that the ports' packets fit the memory that DPDK reserves at the start. From
    /// hugepages it takes what it needs.
    fn check_memory(&self) -> Result<(), ConfigError> {
        let mut needed = 0;
        for port in &self.port {
            let mtu = port.mtu.unwrap_or(ETHERNET_MTU);
            // Other rings are the kernel's memory.
            let pci_ring = port.rx_ring.filter(|_| !port.device.starts_with("net_"));
            needed += port.pollers().len() * PortConfig::plain_memory_mb(mtu, pci_ring) as usize;
        }
        if self.dpdk.hugepages == Hugepages::Require || self.dpdk.memory_mb as usize >= needed {
            return Ok(());
        }
        let ports = self.port.len();
        Err(ConfigError::value(
            "dpdk.memory_mb",
            self.dpdk.memory_mb,
            format!("too little for {ports} port(s) without hugepages: give at least {needed}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_api::ProbeMode;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("onaird.toml"))
    }

    const PORT: &str =
        "[[poller]]\nname=\"p\"\ncore=0\n[[port]]\nname=\"a\"\ndevice=\"ring:x:a\"\n";

    #[test]
    fn config_empty_then_defaults() {
        let config = parse("").unwrap();
        assert_eq!(config.probe.mode, ProbeMode::Required);
        assert_eq!(config.timeouts.graceful_ms, 10_000);
    }

    #[test]
    fn demo_needs_no_device_and_sends_to_itself() {
        let config = Config::demo();
        config.check().unwrap();
        assert!(config.port.iter().all(|it| it.device.starts_with("ring:")));
        let sessions = config.sessions().unwrap();
        assert_eq!(sessions[0].flow.destination, sessions[1].flow.destination);
        // Beside another daemon.
        let other = Config::default();
        assert_ne!(config.control.socket, other.control.socket);
        assert_ne!(config.attach.socket, other.attach.socket);
        assert_ne!(config.state.dir, other.state.dir);
    }

    /// Wrong configurations, with `; ` between two lines of each, and the errors.
    const WRONG: &str = r#"[control] socked = 1 => unknown field `socked`
[control] mode = "999" => octal mode
[probe] mode = "maybe" => required
[[control.role]] role = "attach" => give a user or a group
[[control.role]] user = "a"; group = "b"; role = "own" => give a user or a group
[control] group_role = "all" => unknown variant `all`
[limits] uid_percent = 0 => limits.uid_percent = 0: give 1 to 100
[limits] reserve_percent = 51 => limits.reserve_percent = 51: give 0 to 50
[limits] sessions = 0 => 1 to 1024
[limits] proving_per_uid = 0 => limits.proving_per_uid = 0: give 1 to 1024
[limits] connections = 0 => 1 to 65536
[limits] frame_memory_mb = 0 => 1 to 16777216
[limits] http_connections = 5000 => 1 to 4096
[limits] http_head_bytes = 100 => 1024 to 65536
[limits] http_body_bytes = 9 => 1024 to 16777216
[limits] connections = 5000 => probe.max_attachments = 4096: give at least limits.connections, which is 5000
[probe] max_files = 0 => 1 to 4096
[probe] max_sites = 1 => 2 to 16384
[probe] max_blocked = 1 => 64 to 1048576
[probe] max_attachments = 0 => 1 to 65536
[timeouts] probe_sight_ms = 6000 => timeouts.probe_sight_ms = 6000: give 1 to 5000
[timeouts] prove_ms = 0 => 1 to 600000
[timeouts] prove_ms = -1 => prove_ms
[timeouts] patrol_ms = 1 => 10 to 60000
[timeouts] graceful_ms = 86400001 => 0 to 86400000
[[poller]] name="p"; core=0; nap_us=0 => poller.p.nap_us = 0: give 10 to 100000
[state] certificates = 0 => 1 to 100000
[recorder] max_recordings = 65 => 0 to 64
[recorder] ring_mb = 0 => 1 to 16384
[recorder] min_free_mb = 16777217 => 0 to 16777216
[recorder] finish_ms = 0 => 1 to 600000
[recorder] folder = "recordings" => recorder.folder = recordings: give an absolute path
[clock] ptp_socket = "on" => clock.ptp_socket = on: give "auto", "off", or the absolute path
[clock] ptp_domain = 128 => clock.ptp_domain = 128: give 0 to 127
[clock] max_offset_us = 0 => clock.max_offset_us = 0: give 1 to 1000000
[clock] phc = "ptp0" => clock.phc = ptp0: give "auto", "none", or a device
[state] certificate_days = 40000 => 0 to 36500
[[poller]] name="p"; core=0; [[poller]] name="q"; core=0 => poller.q.core = 0: poller p runs on this core"#;

    #[test]
    fn config_wrong_values_then_named_with_what_to_do() {
        for case in WRONG.lines() {
            let (text, expected) = case.split_once(" => ").unwrap();
            let text = text.replace("] ", "]\n").replace("; ", "\n");
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn config_wrong_ports_then_named_with_what_to_do() {
        let address = format!("{PORT}address=\"10.0.0.1/24\"\n");
        let port = format!("{address}poller=\"p\"\n");
        for (text, expected) in [
            (
                format!("{PORT}address=\"10.0.0.1\"\npoller=\"p\""),
                "prefix length",
            ),
            (format!("{address}poller=\"q\""), "no [[poller]]"),
            (format!("{address}poller=\"pp\""), "did you mean \"p\"?"),
            (
                format!("{port}[dpdk]\nmemory_mb = 33"),
                "dpdk.memory_mb = 33: too little for 1 port(s) without hugepages: give at least 34",
            ),
            (
                format!("{port}mtu = 9000\n[dpdk]\nmemory_mb = 65"),
                "dpdk.memory_mb = 65: too little for 1 port(s) without hugepages: give at least 66",
            ),
            (
                port.replace("ring:x:a", "0000:3b:00.0"),
                "port.a.device = 0000:3b:00.0: this is a PCI device: set dpdk.pci = true",
            ),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(parse(&port).is_ok());
    }

    #[test]
    fn session_tables_right_and_wrong_then_sessions_or_named() {
        let table = |more: &str| {
            format!(
                "{PORT}address=\"10.0.0.1/24\"\npoller=\"p\"\n[[session]]\nname=\"cam\"\n\
                 direction=\"receive\"\nport=\"a\"\n{more}\n\
                 video={{width=64,height=32,frame_rate=\"60/1\",depth=8}}\n\
                 flow={{destination=\"10.0.0.1:5004\"}}\n"
            )
        };
        let config = parse(&table("quota=2")).unwrap();
        let sessions = config.sessions().unwrap();
        assert_eq!((sessions[0].quota, sessions[0].persistent), (2, true));
        for (text, expected) in [
            (table("quota=65"), "quota"),
            (
                "[[session]]\nname=\"cam\"".to_owned(),
                "direction: missing; port: missing; video: missing: a session has one of video",
            ),
            (
                table("quota=65").replace("width=64", "width=65"),
                "video.width: 65 is odd",
            ),
            (table("nix=1"), "unknown field `nix`"),
            (table("").replace("port=\"a\"", "port=\"z\""), "no [[port]]"),
            (
                table("") + "[[session]]" + table("").split_once("[[session]]").unwrap().1,
                "given twice",
            ),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
