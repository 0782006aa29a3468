//! IPv6: packets of each essence, groups, neighbours, descriptions, captures.

mod carried;
mod neighbours;
mod switch;

use anyhow::Result;
use onair_api::SpecDocument;
use onair_tests::{Backend, Config, Rig, output};

/// A multicast group outside the source-specific range.
const GROUP: &str = "ff15::8077:1";

/// Ports `a` (fd77::1) and `b` (fd77::2), which have no address of IPv4.
fn config(backend: Backend) -> Config {
    let mut config = Config::pair(backend);
    for (port, number) in config.ports.iter_mut().zip(1..) {
        port.address.clear();
        port.keys = format!("ipv6 = \"fd77::{number}/64\"\n");
    }
    config
}

fn pair(backend: Backend) -> Result<Rig> {
    Rig::with(config(backend), |_| {})
}

/// The same session, of the group.
fn of_group(mut spec: SpecDocument, udp: u16) -> SpecDocument {
    spec.flow.destination = format!("[{GROUP}]:{udp}");
    spec
}

/// Lets the kernel speak IPv6 at these interfaces of the stage, at once, and runs the rest of a script.
fn kernel_at(rig: &Rig, interfaces: &str, script: &str) -> Result<()> {
    let net = format!("--net=/run/netns/{}", rig.stage().namespace());
    let all = format!(
        "set -e; for it in {interfaces}; do cd /proc/sys/net/ipv6/conf/$it; \
         echo 0 > accept_dad; echo 0 > disable_ipv6; done; {script}"
    );
    output("nsenter", &[&net, "sh", "-c", &all]).map(drop)
}
