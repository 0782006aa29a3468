//! The cores of the pollers.

use onair_settings::config::{Config, Poller};
use onair_settings::core_list::numbers;

use super::finding::Finding;
use super::host::Host;

const CPU: &str = "sys/devices/system/cpu";

pub(super) fn check(host: &Host, config: &Config) -> Vec<Finding> {
    let cores = config.cores();
    let mut findings = vec![match &cores {
        Ok(_) => Finding::ok("cores", format!("pollers: {}", config.poller.len())),
        Err(error) => Finding::fail("cores", error.to_string()).because(
            "a poller is pinned to its core",
            "change poller.*.core, or the service's CPUAffinity or cpuset",
        ),
    }];
    for (poller, core) in config.poller.iter().zip(cores.into_iter().flatten()) {
        findings.push(isolation(host, poller, core));
        findings.push(governor(host, core));
    }
    findings
}

fn isolation(host: &Host, poller: &Poller, core: usize) -> Finding {
    let check = format!("isolation: core {core}");
    let interrupts = interrupts(host, core);
    if !host.list(&format!("{CPU}/isolated")).contains(&core) {
        let found = format!("not isolated; {interrupts} interrupts may be served there");
        return Finding::warning(check, found).because(
            "any thread may run on the poller's core, and then packets wait",
            format!("boot with isolcpus={core} nohz_full={core} rcu_nocbs={core}"),
        );
    }
    let others = others(host, core);
    if let Some((first, more)) = others.split_first() {
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(" and {} more", more.len())
        };
        return Finding::warning(check, format!("isolated, but {first}{more} may run there")).because(
            "a program that was pinned to the core takes time from the poller",
            format!("pin it elsewhere: taskset --all-tasks --pid --cpu-list LIST PID, or give poller {} another core", poller.name),
        );
    }
    if interrupts > 0 {
        let found = format!("isolated; {interrupts} interrupts may be served there");
        return Finding::warning(check, found).because(
            "an interrupt stops the poller for some microseconds",
            "stop irqbalance, and write other cores to /proc/irq/*/smp_affinity_list",
        );
    }
    Finding::ok(check, "isolated, no interrupts")
}

/// Programs that may run on `core`, which is isolated: none does unless it was pinned there. Kernel
/// threads are not meant, nor is another daemon of ours, whose pollers are to run there.
fn others(host: &Host, core: usize) -> Vec<String> {
    let pids = host.names("proc");
    let pids = pids
        .iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let may_run = pids.filter_map(|pid| {
        let status = host.text(&format!("proc/{pid}/status"))?;
        let field = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim)
        };
        // The parent of all kernel threads is 2, kthreadd.
        let is_kernel = pid == "2" || field("PPid") == Some("2");
        let name = field("Name")?;
        let is_there = numbers(field("Cpus_allowed_list")?).contains(&core);
        (is_there && !is_kernel && name != "onaird").then(|| format!("{name} ({pid})"))
    });
    may_run.collect()
}

fn interrupts(host: &Host, core: usize) -> usize {
    let of = |number: &String| host.list(&format!("proc/irq/{number}/effective_affinity_list"));
    let served = host.names("proc/irq");
    served.iter().filter(|it| of(it).contains(&core)).count()
}

fn governor(host: &Host, core: usize) -> Finding {
    let check = format!("governor: core {core}");
    let governor = host.text(&format!("{CPU}/cpu{core}/cpufreq/scaling_governor"));
    match governor.as_deref() {
        None => Finding::ok(check, "the frequency does not change"),
        Some("performance") => Finding::ok(check, "performance"),
        Some(other) => Finding::warning(check, other).because(
            "a core that slows down when it rests needs time to be fast again",
            format!("cpupower --cpu {core} frequency-set --governor performance"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::finding::Level::{Ok, Warning};
    use super::*;

    #[test]
    fn core_that_others_may_use_is_told_until_it_is_isolated() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let poller: Poller = toml::from_str("name=\"p\"").unwrap();
        let host = Host::at(folder.path());
        let shared = isolation(&host, &poller, 2);
        assert_eq!(shared.level, Warning);
        assert!(shared.mend.contains("isolcpus=2"), "{shared:?}");
        write("sys/devices/system/cpu/isolated", "1-3\n");
        assert_eq!(isolation(&host, &poller, 2).level, Ok);
        let process = |pid: u32, name: &str, parent: u32, cores: &str| {
            let text = format!("Name:\t{name}\nPPid:\t{parent}\nCpus_allowed_list:\t{cores}\n");
            write(&format!("proc/{pid}/status"), &text);
        };
        process(7, "kworker", 2, "0-3");
        process(8, "sshd", 1, "0-1");
        process(9, "onaird", 1, "0-3");
        assert_eq!(isolation(&host, &poller, 2).level, Ok);
        process(10, "stress", 1, "2-3");
        let pinned = isolation(&host, &poller, 2);
        assert_eq!(pinned.level, Warning);
        assert!(pinned.found.contains("stress (10)"), "{pinned:?}");
        fs::remove_dir_all(folder.path().join("proc/10")).unwrap();
        write("proc/irq/9/effective_affinity_list", "2\n");
        write("proc/irq/10/effective_affinity_list", "0-1\n");
        let interrupted = isolation(&host, &poller, 2);
        assert!(
            interrupted.found.contains("1 interrupts"),
            "{interrupted:?}"
        );

        assert_eq!(governor(&host, 2).level, Ok);
        write(
            "sys/devices/system/cpu/cpu2/cpufreq/scaling_governor",
            "powersave\n",
        );
        assert_eq!(governor(&host, 2).level, Warning);
    }
}
