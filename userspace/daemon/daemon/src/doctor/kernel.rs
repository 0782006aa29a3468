//! The kernel: its version, its features, its clocks.

use onair_dataplane::tai_minus_utc;
use onair_ipc::membarrier;

use super::finding::Finding;
use super::host::Host;

/// The oldest kernel that the whole product was run on.
const OLDEST: (u32, u32) = (6, 1);
const UPGRADE: &str = "install a kernel of Linux 6.1 or later (Debian 12 has one)";

pub(super) fn check(host: &Host) -> Vec<Finding> {
    vec![
        version(&host.text("proc/sys/kernel/osrelease").unwrap_or_default()),
        membarrier(membarrier::is_supported()),
        type_information(host),
        lockdown(host),
        clock_source(host),
        tai_offset(tai_minus_utc(), host),
    ]
}

fn version(release: &str) -> Finding {
    let mut parts = release.split(['.', '-']).map(str::parse);
    let parsed = parts.next().zip(parts.next());
    match parsed {
        Some((Ok(major), Ok(minor))) if (major, minor) >= OLDEST => Finding::ok("kernel", release),
        _ => Finding::fail("kernel", release)
            .because("the daemon was not run on a kernel older than 6.1", UPGRADE),
    }
}

fn membarrier(has_it: bool) -> Finding {
    let check = "membarrier";
    if has_it {
        return Finding::ok(check, "GLOBAL_EXPEDITED");
    }
    Finding::fail(check, "none").because(
        "without it the daemon cannot count callers, and does not start",
        UPGRADE,
    )
}

fn type_information(host: &Host) -> Finding {
    let check = "btf";
    if host.has("sys/kernel/btf/vmlinux") {
        return Finding::ok(check, "/sys/kernel/btf/vmlinux");
    }
    Finding::fail(check, "no /sys/kernel/btf/vmlinux").because(
        "the eBPF probe needs the kernel's type information",
        "use a kernel with CONFIG_DEBUG_INFO_BTF=y, or run without the probe ([probe] mode = \"off\")",
    )
}

/// The file has the modes, the current one in brackets (kernel_lockdown(7)).
fn lockdown(host: &Host) -> Finding {
    let modes = host.text("sys/kernel/security/lockdown");
    let mode = modes
        .as_deref()
        .and_then(|modes| Some(modes.split_once('[')?.1.split_once(']')?.0))
        .unwrap_or("none");
    if mode != "confidentiality" {
        return Finding::ok("lockdown", mode);
    }
    Finding::fail("lockdown", mode).because(
        "in this mode BPF programs cannot read the memory of callers",
        "boot with lockdown=integrity or without lockdown",
    )
}

fn clock_source(host: &Host) -> Finding {
    let check = "clock source";
    let name = host
        .text("sys/devices/system/clocksource/clocksource0/current_clocksource")
        .unwrap_or_else(|| "unknown".to_owned());
    if ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page"].contains(&name.as_str()) {
        return Finding::ok(check, name);
    }
    Finding::warning(check, name).because(
        "each reading of this clock is a system call or slower, and pollers read it in each turn",
        "boot with tsc=reliable if the processor's TSC is, and look in `dmesg` why the kernel left it",
    )
}

fn tai_offset(seconds: u64, host: &Host) -> Finding {
    let check = "TAI offset";
    if seconds > 0 {
        return Finding::ok(check, format!("{seconds} s"));
    }
    Finding::warning(check, format!("{seconds} s: CLOCK_TAI is UTC")).because(
        "SMPTE ST 2059-1 counts media time in TAI",
        format!(
            "let ptp4l and phc2sys set the offset, or chrony {}",
            leap_seconds(host)
        ),
    )
}

/// Where chrony finds the leap seconds on this host: `leapsectz` works with every version, but Debian 13 has no zone
/// `right/UTC`.
fn leap_seconds(host: &Host) -> &'static str {
    if host.has("usr/share/zoneinfo/right/UTC") {
        "with `leapsectz right/UTC`"
    } else if host.has("usr/share/zoneinfo/leap-seconds.list") {
        "4.6 or later with `leapseclist /usr/share/zoneinfo/leap-seconds.list`"
    } else {
        "after `apt install tzdata`"
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level::{self, Fail, Ok, Warning};
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let host = Host::at(folder.path());
        (folder, host)
    }

    #[test]
    fn kernel_versions_old_and_new() {
        for (release, level) in [
            ("6.1.0-56-amd64", Ok),
            ("6.18.5", Ok),
            ("7.0", Ok),
            ("6.0.19", Fail),
            ("5.15.0-generic", Fail),
            ("", Fail),
        ] {
            assert_eq!(version(release).level, level, "{release}");
        }
    }

    #[test]
    fn files_of_the_kernel_decide() {
        const CLOCK: &str = "sys/devices/system/clocksource/clocksource0/current_clocksource";
        let level = |files: &[(&str, &str)], check: fn(&Host) -> Finding| -> Level {
            let (_folder, host) = host(files);
            check(&host).level
        };
        assert_eq!(level(&[], type_information), Fail);
        assert_eq!(
            level(&[("sys/kernel/btf/vmlinux", "")], type_information),
            Ok
        );
        let lock = "sys/kernel/security/lockdown";
        assert_eq!(level(&[], lockdown), Ok);
        assert_eq!(
            level(&[(lock, "none [integrity] confidentiality\n")], lockdown),
            Ok
        );
        assert_eq!(
            level(&[(lock, "none integrity [confidentiality]\n")], lockdown),
            Fail
        );
        assert_eq!(level(&[(CLOCK, "tsc\n")], clock_source), Ok);
        assert_eq!(level(&[(CLOCK, "hpet\n")], clock_source), Warning);
        assert_eq!(level(&[], clock_source), Warning);
    }

    #[test]
    fn offset_of_tai_is_read_in_whole_seconds() {
        assert!((0..100).contains(&tai_minus_utc()));
        let (_folder, host) = host(&[]);
        let level = |seconds| tai_offset(seconds, &host).level;
        assert_eq!((level(37), level(0)), (Ok, Warning));
    }

    #[test]
    fn remedy_for_the_offset_of_tai_exists_on_the_host() {
        let (zone, list) = (
            "usr/share/zoneinfo/right/UTC",
            "usr/share/zoneinfo/leap-seconds.list",
        );
        for (files, expected) in [
            (&[zone, list][..], "`leapsectz right/UTC`"),
            (
                &[list],
                "`leapseclist /usr/share/zoneinfo/leap-seconds.list`",
            ),
            (&[], "apt install tzdata"),
        ] {
            let files: Vec<_> = files.iter().map(|path| (*path, "")).collect();
            let (_folder, host) = host(&files);
            let mend = tai_offset(0, &host).mend;
            assert!(mend.contains(expected), "{mend}");
        }
    }
}
