//! AF_XDP on an interface that is made for this check.

use std::process::{Command, Stdio};

use onair_dpdk::{ETHERNET_MTU, Eal, EalConfig, Hugepages, Port, PortConfig};

use super::finding::Finding;

const CHECK: &str = "af_xdp";
const WHY: &str = "ports on AF_XDP cannot be opened";

/// A network namespace with the two ends of a cable; gone when dropped.
struct Scratch(String);

impl Scratch {
    fn new() -> Result<Self, IpError> {
        let name = format!("onair-doctor-{}", std::process::id());
        ip(&["netns", "add", &name])?;
        let scratch = Self(name);
        let n = scratch.0.as_str();
        ip(&[
            "-n", n, "link", "add", "va", "type", "veth", "peer", "name", "vb",
        ])?;
        ip(&["-n", n, "link", "set", "va", "up"])?;
        ip(&["-n", n, "link", "set", "vb", "up"])?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "delete", &self.0]) {
            tracing::warn!(%error, "a network namespace stays");
        }
    }
}

/// A command of iproute2 that failed.
#[derive(Debug, thiserror::Error)]
enum IpError {
    #[error("cannot run ip: {0}")]
    Run(#[from] std::io::Error),
    #[error("`ip {arguments}`: {text}")]
    Failed { arguments: String, text: String },
}

fn ip(arguments: &[&str]) -> Result<(), IpError> {
    let mut command = Command::new("ip");
    let output = command.args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(IpError::Failed {
        arguments: arguments.join(" "),
        text: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Opens a port on a new cable. DPDK is initialised once in a process: call it once.
pub(super) fn check() -> Finding {
    let scratch = match Scratch::new() {
        Ok(scratch) => scratch,
        Err(error) => {
            return Finding::warning(CHECK, format!("not tried: {error}"))
                .because(WHY, "run as root, with the package iproute2");
        }
    };
    let config = EalConfig {
        hugepages: Hugepages::Never,
        memory_mb: 2 * PortConfig::plain_memory_mb(ETHERNET_MTU, None),
        ..EalConfig::default()
    };
    let opened = Eal::init(&config).and_then(|eal| {
        let mut port = PortConfig::new("doctor", "net_af_xdp_doctor,iface=va");
        port.netns = Some(scratch.0.clone());
        Port::open(&eal, &port).map(drop)
    });
    match opened {
        Ok(()) => Finding::ok(CHECK, "a port on a new cable opened and closed"),
        Err(error) => Finding::fail(CHECK, error.to_string()).because(
            WHY,
            "use a kernel with CONFIG_XDP_SOCKETS=y, run as root, and install the driver (Debian: librte-net-af-xdp23)",
        ),
    }
}
