//! `onair-convert` of the package `onair`, and the package `onair-mxl` on a machine without libmxl.

use anyhow::{Result, ensure};
use onair_stage::{Deadline, until};

use super::container::Container;
use crate::dist::{Made, copy};

/// Converts the receive session `session`; then installs, tries and purges `onair-mxl`.
pub(super) fn run(container: &Container, made: &Made, session: &str) -> Result<()> {
    container.ok(&format!(
        "onairctl session create converted --from {session} --layout uyvy422"
    ))?;
    until("onair-convert to fill", Deadline::seconds(20), || {
        let shown = container.ok("onairctl --json session show converted")?;
        Ok(shown.contains("\"onair-convert\"").then_some(()))
    })?;
    let pid = container.ok("pgrep --exact onair-convert")?;
    let capabilities = container.ok(&format!("grep CapEff /proc/{pid}/status"))?;
    ensure!(capabilities.ends_with("0000000000000000"), "{capabilities}");
    container.ok("onairctl session destroy converted --stop --wait 5s")?;

    copy(&made.mxl, &container.path("/mxl.deb"), 0o644)?;
    container.ok("dpkg --install /mxl.deb")?;
    let enabled = container.ends("systemctl is-enabled onair-mxl", 1)?;
    ensure!(enabled == "disabled", "{enabled}");
    let domain = container.ok("stat --format %U:%G:%a /dev/shm/mxl")?;
    ensure!(domain == "onair-mxl:onair:2775", "{domain}");
    let said = container.ends(&format!("onair-mxl --check --in {session}"), 1)?;
    ensure!(said.contains("install the MXL library"), "{said}");
    container.ok("dpkg --purge onair-mxl")?;
    container.gone(&["/etc/onair/mxl.toml", "/usr/bin/onair-mxl"])
}
