//! The Ansible role in a container: it installs and configures both services, and changes nothing the second time.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};

use super::container::Container;
use crate::cargo::root;
use crate::dist::{Made, copy, done};

/// The cable is the container's, which has no other network.
const VARIABLES: &str = r#"{
"onair_packages": "/packages", "onair_extra_packages": ["iproute2"], "onair_operators": ["operator"],
"onair_pollers": [{"name": "p0", "core": 1}], "onair_dpdk": {"hugepages": "never", "memory_mb": 128},
"onair_ports": [{"name": "a", "device": "net_af_xdp_a,iface=va", "address": "10.77.0.1/24", "poller": "p0"}],
"onair_nmos_settings": {"listen": "127.0.0.1:3212", "mdns": false}}"#;
/// A key that applies at once.
const CHANGE: &str = r#"{"onair_extra_config": "[recorder]\nmin_free_mb = 7"}"#;

/// Plays the role where no package is installed.
pub(super) fn run(container: &Container, made: &Made) -> Result<()> {
    for deb in [&made.deb, &made.nmos] {
        let name = deb.file_name().unwrap_or_default().to_string_lossy();
        copy(deb, &container.path(&format!("/packages/{name}")), 0o644)?;
    }
    let mut recursive = Command::new("cp");
    let role = [root().join("packaging/ansible"), container.path("/ansible")];
    done(recursive.arg("--recursive").args(role))?;
    fs::write(container.path("/variables.json"), VARIABLES)?;
    container.ok("ansible-lint --offline --nocolor --profile=production /ansible")?;
    // The list of the archive's packages is young enough.
    container.ok("touch /var/lib/apt/lists")?;

    let first = play(container, "{}")?;
    ensure!(!first.contains("changed=0"), "{first}");
    for service in ["onaird", "onair-nmos"] {
        container.ok(&format!("systemctl is-enabled {service}"))?;
        container.ok(&format!("systemctl is-active {service}"))?;
    }
    container.ok("onaird --check-config --config /etc/onair/onaird.toml")?;
    container.ok("onairctl health --ready")?;
    let groups = container.ok("id -nG operator")?;
    ensure!(groups.contains("onair-operators"), "{groups}");
    let second = play(container, "{}")?;
    ensure!(second.contains("changed=0"), "{second}");

    play(container, CHANGE)?;
    let config = container.ok("onairctl --json config show")?;
    ensure!(config.contains("\"min_free_mb\": 7"), "{config}");
    Ok(())
}

fn play(container: &Container, variables: &str) -> Result<String> {
    // A host of this name is the playbook's.
    let line = ["ansible-playbook", "-i", "onair,", "-c", "local"];
    let variables = ["-e", "@/variables.json", "-e", variables];
    let words = [&line[..], &variables, &["/ansible/site.yml"]].concat();
    let (status, text) = container.run(&words)?;
    ensure!(status == 0, "the role failed: {text}");
    Ok(text)
}
