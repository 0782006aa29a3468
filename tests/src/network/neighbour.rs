//! Who the kernel thinks is behind an address.

use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair_stage::{Deadline, Stage, output, until};

/// Lets the kernel's stack inside the stage's namespace find the hardware address of `address`,
/// and gives it as `ip` writes it. Without that, the kernel asks when the first frame is sent, and
/// drops the frame's beginning meanwhile: it keeps 208 KB for an address that it does not know.
pub fn resolve(stage: &Stage, address: &str) -> Result<String> {
    stage.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        // The discard service (RFC 863): no session listens there.
        Ok(socket.send_to(b"who is there?", (address, 9))?)
    })?;
    let known = until(
        format_args!("{address} to answer ARP"),
        Deadline::seconds(10),
        || {
            let known = output("ip", &["-n", stage.namespace(), "neigh", "show", address])?;
            Ok(known.contains("lladdr").then_some(known))
        },
    )?;
    anyhow::ensure!(!known.contains("PERMANENT"), "{known} was set by hand");
    let mut words = known.split_ascii_whitespace();
    words.find(|word| *word == "lladdr");
    words
        .next()
        .map(str::to_owned)
        .with_context(|| format!("no hardware address in {known}"))
}
