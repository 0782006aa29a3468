//! The eBPF probe, loaded on this process.

use onair_api::{ProbeMode, ProbeState};
use onair_settings::config::Config;

use crate::witness::probe::ProbeLink;

use super::finding::Finding;

pub(super) fn check(config: &Config) -> Vec<Finding> {
    if config.probe.mode == ProbeMode::Off {
        return vec![Finding::warning("probe", "switched off").because(
            "no kernel fact says that a session has no users",
            "set [probe] mode = \"required\"",
        )];
    }
    let (link, _events) = ProbeLink::start(config);
    let (state, reason) = link.state();
    let findings = match (state, reason) {
        (ProbeState::Watching, _) => {
            let shared = link
                .probe()
                .is_some_and(|probe| probe.health().shared_links);
            let links = if shared {
                Finding::ok("uprobes", "one link for the sites of a file (uprobe.multi)")
            } else {
                Finding::ok(
                    "uprobes",
                    "a link for each site; Linux 6.6 has uprobe.multi, which is faster",
                )
            };
            vec![
                Finding::ok("probe", "loaded, and it saw this process"),
                links,
            ]
        }
        (_, reason) => {
            let reason = reason.unwrap_or_else(|| "reason unknown".to_owned());
            let finding = if config.probe.mode == ProbeMode::Required {
                Finding::fail("probe", reason)
            } else {
                Finding::warning("probe", reason)
            };
            vec![finding.because(
                "without the probe no destroy is proved by the kernel",
                "run as root; in a container also check seccomp and AppArmor; else set [probe] mode = \"off\"",
            )]
        }
    };
    if let Some(closing) = link.begin_close() {
        drop(closing);
    }
    findings
}
