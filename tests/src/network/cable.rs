//! Ports for a configuration that is shipped, which names an interface that a test does not have.

use anyhow::{Context as _, Result};
use onair_stage::output;

/// Makes the cable `va`–`vb` anew, and gives `config` with AF_XDP ports `a` and `b` on it in the place of its own ports.
///
/// # Errors
/// When the cable cannot be made, or `config` has no port.
pub fn ports_on_a_cable(config: &str) -> Result<String> {
    let ports = config.find("[[port]]").context("its port")?;
    // That of a test before, if there is one.
    output("ip", &["link", "delete", "va"]).ok();
    let cable = "link add va type veth peer name vb";
    output("ip", &cable.split(' ').collect::<Vec<_>>())?;
    let mut ours = config[..ports].to_owned();
    for (name, address) in [("a", "10.77.0.1/24"), ("b", "10.77.0.2/24")] {
        output("ip", &["link", "set", &format!("v{name}"), "up"])?;
        ours += &format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"net_af_xdp_{name},iface=v{name}\"\n\
             address = \"{address}\"\npoller = \"p0\"\n"
        );
    }
    Ok(ours)
}
