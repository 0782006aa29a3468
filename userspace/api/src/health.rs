//! Health of the daemon.

use serde::{Deserialize, Serialize};

use crate::id::SessionName;
use crate::ptp::PtpHealth;
use crate::text::texts;
use crate::time::Timestamp;

/// Answer of `GET /v1/health`: 200 when ready, 503 with the same body when not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// Summary.
    pub status: HealthStatus,
    /// The control thread answers. True in every answer; without an answer it is false.
    pub live: bool,
    /// Sessions can be created, attached to and destroyed.
    pub ready: bool,
    /// Problems, each in one sentence with what to do. Empty when `ok`.
    pub problems: Vec<String>,
    /// Version of onaird.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The kernel's boot id (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Milliseconds since then, by the monotonic clock.
    pub uptime_ms: u64,
    /// The probe.
    pub probe: Probe,
    /// Ports and pollers.
    pub dataplane: Dataplane,
    /// Sessions by state.
    pub sessions: SessionTally,
    /// Certificates that are in the daemon's memory only, because the disk did not accept them.
    #[serde(default)]
    pub unwritten_certificates: u64,
    /// Limits that users share, with their use.
    #[serde(default)]
    pub shares: Vec<ShareUse>,
    /// The clock of send sessions; absent in the answer of an older daemon.
    #[serde(default)]
    pub clock: Option<ClockHealth>,
}

/// The clock that frames and RTP timestamps of send sessions follow: the kernel's `CLOCK_TAI`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClockHealth {
    /// TAI minus UTC in seconds, as the kernel was told (adjtimex(2)). 0 means that it was not told: then
    /// timestamps are of UTC, not of TAI as ST 2059-1 wants them.
    pub tai_minus_utc_s: u64,
    /// How often the clock was set since the daemon's start, by a millisecond or more.
    pub times_set: u64,
    /// What ptp4l says about it; absent in the answer of an older daemon.
    #[serde(default)]
    pub ptp: Option<PtpHealth>,
}

/// A limit that users share, with its use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ShareUse {
    /// What the limit counts.
    #[cfg_attr(
        feature = "openapi",
        schema(examples("connections on the attach socket"))
    )]
    pub what: String,
    /// Key of the limit in the configuration.
    #[cfg_attr(feature = "openapi", schema(examples("limits.connections")))]
    pub key: String,
    /// For a limit of each session: the session nearest to it.
    pub session: Option<SessionName>,
    /// Number of places.
    pub limit: u64,
    /// Used places.
    pub used: u64,
    /// Places reserved for root and operators.
    pub reserved: u64,
    /// Most places for one user, except root.
    pub per_uid: u64,
    /// Most places for one process, except a process of root.
    pub per_process: u64,
    /// The user with the most places.
    pub greatest_uid: Option<u32>,
    /// Places of that user.
    pub greatest: u64,
    /// Requests for a place that were refused since the start.
    pub refused: u64,
}

/// Summary of the health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// No problem.
    Ok,
    /// The daemon works with fewer features than configured; `problems` lists them.
    Degraded,
    /// The probe is required and not proven to see. The daemon refuses attaches and destroys.
    ProbeBlind,
}

texts! { HealthStatus: Ok "ok", Degraded "degraded", ProbeBlind "probe_blind" }

/// What the configuration requires of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeMode {
    /// without a proven probe the daemon refuses each attach and each destroy.
    Required,
    /// used if it works. If not, health and log say so.
    Preferred,
    /// not used; every certificate records that.
    Off,
}

texts! { ProbeMode: Required "required", Preferred "preferred", Off "off" }

/// Whether the probe sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProbeState {
    /// Loaded, and the last canary returned.
    Watching,
    /// Not proven to see; `reason` gives the cause.
    Blind,
    /// Disabled.
    Off,
}

texts! { ProbeState: Watching "watching", Blind "blind", Off "off" }

/// State of the probe, now or when a certificate was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Probe {
    /// What the configuration requires.
    pub mode: ProbeMode,
    /// Whether it sees.
    pub state: ProbeState,
    /// Why it does not see; absent if it sees.
    pub reason: Option<String>,
    /// When the daemon's own canary last returned.
    pub canary_at: Option<Timestamp>,
    /// Client files that the probe is attached to.
    pub files: Vec<WatchedFile>,
}

/// A client's file with probe sites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchedFile {
    /// Path in the client's process.
    pub path: String,
    /// Device number of the file system (st_dev).
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// GNU build id as hex digits, if the file has one.
    pub build_id: Option<String>,
    /// Sites that were found and armed.
    pub sites: Vec<WatchedSite>,
}

/// One probe site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WatchedSite {
    /// Provider and name.
    #[cfg_attr(feature = "openapi", schema(examples("onair:wait_begin")))]
    pub name: String,
    /// Offset in the file, in bytes.
    pub file_offset: u64,
}

/// Ports and pollers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dataplane {
    /// Driver behind the ports, `mixed` when they differ, `none` without ports.
    #[cfg_attr(feature = "openapi", schema(examples("af_xdp")))]
    pub backend: String,
    /// Version of DPDK.
    pub dpdk: String,
    /// Hugepages are in use.
    pub hugepages: bool,
    /// Ports, in the order of the configuration.
    pub ports: Vec<PortHealth>,
    /// Polling threads, in the order of the configuration.
    pub pollers: Vec<PollerHealth>,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortHealth {
    /// Its name in the configuration.
    pub name: String,
    /// DPDK device string.
    pub device: String,
    /// Driver.
    #[cfg_attr(feature = "openapi", schema(examples("af_xdp")))]
    pub backend: String,
    /// IPv4 address and prefix length.
    #[cfg_attr(feature = "openapi", schema(examples("10.77.0.1/24")))]
    pub address: String,
    /// Ethernet address.
    #[cfg_attr(feature = "openapi", schema(examples("02:00:00:00:00:01")))]
    pub mac: String,
    /// Largest IP packet in bytes.
    #[serde(default = "ethernet")]
    pub mtu: u16,
    /// Its VLAN; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The link is up.
    pub link_up: bool,
    /// Speed of the link in Mbit/s, if the driver reports it.
    #[serde(default)]
    pub link_mbps: Option<u32>,
    /// Which packets to multicast groups the device lets through.
    #[serde(default)]
    pub multicast: PortMulticast,
    /// NUMA node of the device, if it has one.
    #[serde(default)]
    pub numa_node: Option<u32>,
    /// How a port on AF_XDP is attached; other ports have none.
    #[serde(default)]
    pub xdp: Option<PortXdp>,
    /// What wakes the poller when it sleeps until packets arrive.
    #[serde(default)]
    pub wake: PortWake,
    /// Pairs of a receive and a transmit queue in use.
    #[serde(default = "one")]
    pub queues: u16,
    /// Most pairs of a receive and a transmit queue that the driver offers.
    #[serde(default)]
    pub max_queues: u16,
    /// Packets that the receive ring of each queue holds; absent of a wire in the daemon, whose sender waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rx_ring: Option<u32>,
    /// How long these rings keep what comes, in ms, at the packet rate of the last second and with flows spread
    /// evenly over the queues: a poller that is late for longer loses packets. Absent if nothing comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rx_ring_ms: Option<u64>,
    /// Offloads that the driver offers, by DPDK's names. OnAir uses none.
    #[serde(default)]
    pub offloads: Vec<String>,
    /// Name of the poller that serves it, the first of several.
    pub poller: String,
    /// Names of the pollers that serve it: the first so many as there are queues have one each.
    #[serde(default)]
    pub pollers: Vec<String>,
    /// How a packet comes to the poller that runs its session.
    #[serde(default)]
    pub steering: PortSteering,
    /// Packets received since the start.
    pub rx_packets: u64,
    /// Packets sent since the start.
    pub tx_packets: u64,
    /// Packets that the driver missed or dropped, or that one poller could not hand to another, since
    /// the start.
    pub rx_missed: u64,
    /// Packets that one poller handed to another since the start.
    #[serde(default)]
    pub rx_handed_over: u64,
    /// Packets received that belong to no session, since the start.
    pub rx_unclaimed: u64,
    /// Packets received with a broken or unusable header below RTP (truncated, fragments, options), since
    /// the start.
    #[serde(default)]
    pub rx_malformed: u64,
    /// Packets received without the tag of the port's VLAN, since the start.
    #[serde(default)]
    pub rx_untagged: u64,
    /// Packets received with the tag of another VLAN, or with a tag at a port without a VLAN, since the
    /// start.
    #[serde(default)]
    pub rx_other_vlan: u64,
}

/// The MTU of a daemon that does not tell.
const fn ethernet() -> u16 {
    1500
}

/// What a daemon used that does not tell.
const fn one() -> u16 {
    1
}

/// Which packets to multicast groups a device lets through. The daemon uses the first that the driver
/// accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortMulticast {
    /// All packets: it is promiscuous.
    #[default]
    Promiscuous,
    /// Packets to all groups.
    AllMulticast,
    /// Packets to the groups of the port's sessions.
    Groups,
}

texts! {
    PortMulticast:
    Promiscuous "promiscuous", AllMulticast "all_multicast", Groups "groups"
}

/// What wakes an `adaptive` poller when it sleeps until packets arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortWake {
    /// An AF_XDP socket.
    Socket,
    /// The device's interrupt.
    Interrupt,
    /// Time only: the driver has neither, so the poller looks each `nap_us`.
    #[default]
    Timer,
}

/// How a packet comes to the poller that runs its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortSteering {
    /// One poller has them all.
    #[default]
    None,
    /// The device puts each flow into the queue of its poller. What it cannot is handed over.
    FlowRules,
    /// The device chooses a queue; a poller that receives what is not its own hands it over.
    HandOver,
}

/// How an AF_XDP port is attached to its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PortXdp {
    /// The network driver runs the XDP program. If not, the kernel's stack does, because the driver
    /// has no XDP: a packet costs more.
    pub native: bool,
    /// The device writes into the port's memory. If not, the kernel copies each packet.
    pub zero_copy: bool,
}

/// A polling thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PollerHealth {
    /// Its name in the configuration.
    pub name: String,
    /// CPU that it is pinned to.
    pub core: u32,
    /// Behaviour without packets: `adaptive` or `busy`.
    pub idle: String,
    /// It answered the last command in time.
    pub alive: bool,
    /// Sessions that it serves now.
    pub sessions: u64,
}

/// Number of sessions by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SessionTally {
    /// Never started.
    pub created: u64,
    /// Running.
    pub running: u64,
    /// Stopped.
    pub stopped: u64,
    /// A destroy waits.
    pub draining: u64,
    /// Quarantined.
    pub quarantined: u64,
    /// Destroyed since the daemon started.
    pub destroyed: u64,
}
