//! Packets that the kernel dropped on the way to port `b`: on a busy machine a thread that empties a ring may be without
//! a core until the ring is full. That is not OnAir's fault, so tests excuse it.

use anyhow::{Context as _, Result};
use onair_stage::{Control, output, wait_for};
use serde_json::Value;

/// Packets for which the cable (`va`, towards `vb`) or the port's socket had no room.
pub fn dropped_by_kernel(namespace: &str, control: &mut Control) -> Result<u64> {
    let devices = output("ip", &["-n", namespace, "-s", "-j", "link"])?;
    let devices: Vec<Value> = serde_json::from_str(&devices)?;
    let cable = devices.iter().find(|it| it["ifname"] == "va");
    let on_cable = cable.map_or(Some(0), |it| it["stats64"]["tx"]["dropped"].as_u64());
    let ports = control.health()?.dataplane.ports;
    let port = ports.iter().find(|it| it.name == "b");
    let at_port = port.map(|it| it.rx_missed);
    Ok(on_cable.context("no count of drops")? + at_port.context("no port b")?)
}

/// Waits until the kernel has counted that it dropped the `lost` packets.
pub(crate) fn excused(namespace: &str, control: &mut Control, lost: u64) -> Result<()> {
    wait_for("the kernel to have dropped what was lost", 5, || {
        Ok(lost == 0 || dropped_by_kernel(namespace, control)? >= lost)
    })
    .with_context(|| format!("{lost} packets were lost"))
}
