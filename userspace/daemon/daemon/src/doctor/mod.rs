//! `onaird --doctor`: whether this machine can run the daemon, and the changes that it needs.
//!
//! Each check looks at the machine, not at a running daemon, and creates nothing that stays. Here
//! live the checks; what a configuration may contain is in `config`.

mod access;
mod af_xdp;
mod clock;
mod devices;
mod features;
mod finding;
mod host;
mod kernel;
mod memory;
mod processors;

pub use finding::{Finding, Level};

use std::fmt::Write as _;

use onair_api::{ProbeMode, ProbeState};
use onair_settings::config::Config;

use crate::witness::probe::ProbeLink;

/// Makes every check. Takes a second or two: it loads the probe and opens a port.
#[must_use]
pub fn examine(config: &Config) -> Vec<Finding> {
    let host = host::Host::this();
    onair_ipc::sys::ignore_sigio();
    let mut findings = vec![configuration(config)];
    findings.extend(kernel::check(&host));
    findings.extend(features::check());
    findings.extend(clock::check(config));
    findings.extend(check(config));
    findings.push(af_xdp::check());
    findings.extend(processors::check(&host, config));
    findings.extend(memory::check(&host, config));
    findings.extend(devices::check(&host, config));
    findings.extend(access::check(config));
    findings.push(start(config));
    findings
}

/// Which configuration the machine is checked against.
fn configuration(config: &Config) -> Finding {
    let file = config.file.as_ref();
    let read = file.map_or_else(
        || "none was read: the machine alone is checked".to_owned(),
        |it| format!("{} was read", it.display()),
    );
    Finding::ok("configuration", read)
}

/// The daemon's own checks, which come first.
fn start(config: &Config) -> Finding {
    let check = "start";
    match config.check_for_start() {
        Ok(()) => Finding::ok(check, "the daemon would start with this configuration"),
        Err(error) if config.file.is_none() => {
            Finding::ok(check, format!("no configuration was given ({error})"))
        }
        Err(error) => Finding::fail(check, error.to_string()).because(
            "the daemon refuses to start with it",
            "correct this key, or the machine",
        ),
    }
}

/// The worst level of all.
#[must_use]
pub fn worst(findings: &[Finding]) -> Level {
    findings
        .iter()
        .map(|it| it.level)
        .max()
        .unwrap_or(Level::Ok)
}

/// The report for people: a line each, what is wrong with its reason and its cure.
#[must_use]
pub fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|it| it.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let Finding {
            check,
            level,
            found,
            why,
            mend,
        } = finding;
        let _ = writeln!(text, "{level:7}  {check:width$}  {found}");
        if !mend.is_empty() {
            let indent = " ".repeat(width + 11);
            let _ = writeln!(text, "{indent}Why: {why}\n{indent}Do:  {mend}");
        }
    }
    let count = |level| findings.iter().filter(|it| it.level == level).count();
    let (fails, warnings) = (count(Level::Fail), count(Level::Warning));
    let _ = writeln!(
        text,
        "\n{fails} failed, {warnings} warnings, {} checks",
        findings.len()
    );
    text
}

fn check(config: &Config) -> Vec<Finding> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_has_a_line_for_each_check_and_a_cure_for_each_fault() {
        let findings = [
            Finding::ok("kernel", "6.1"),
            Finding::warning("link: a", "no link").because("no packets", "ip link set eth1 up"),
            Finding::fail("btf", "none").because("the probe", "another kernel"),
        ];
        let text = text(&findings);
        assert!(text.starts_with("ok       kernel   6.1\n"), "{text}");
        assert!(text.contains("warning  link: a  no link\n"), "{text}");
        assert!(text.contains("Do:  ip link set eth1 up\n"), "{text}");
        assert!(text.ends_with("1 failed, 1 warnings, 3 checks\n"), "{text}");
        assert_eq!(worst(&findings), Level::Fail);
        assert_eq!(worst(&findings[..2]), Level::Warning);
    }
}
