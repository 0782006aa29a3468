//! A configuration's demands on the machine, checked before the daemon creates anything.

use std::collections::BTreeSet;
use std::{fs, thread};

use onair_dpdk::Link;
use rustix::thread::{CapabilitySet, CpuSet, capabilities, sched_getaffinity, sched_setaffinity};

use super::{Config, ConfigError, Poller, Port};
use crate::core_list::numbers;

impl Config {
    /// The core of each poller: its own, or the highest that the process may use and no poller has,
    /// isolated ones first.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first core that the process cannot use, and those that it
    /// can, or the first poller for which there is none.
    pub fn cores(&self) -> Result<Vec<usize>, ConfigError> {
        let isolated = isolated();
        // Without an answer the poller reports what the kernel says when it is pinned.
        let usable = sched_getaffinity(None).ok();
        let usable = usable.map(|set| cores_in(&set).chain(isolated.iter().copied()).collect());
        self.cores_among(usable.as_ref(), &isolated)
    }

    fn cores_among(
        &self,
        usable: Option<&BTreeSet<usize>>,
        isolated: &BTreeSet<usize>,
    ) -> Result<Vec<usize>, ConfigError> {
        let given: BTreeSet<_> = self.poller.iter().filter_map(|it| it.core).collect();
        let free = usable.into_iter().flatten();
        let mut free: Vec<_> = free.filter(|core| !given.contains(core)).collect();
        free.sort_by_key(|core| (isolated.contains(core), **core));
        let core_of = |poller: &Poller| match (poller.core, usable) {
            (Some(core), Some(usable)) if !usable.contains(&core) => {
                let usable = usable.iter().map(usize::to_string).collect::<Vec<_>>();
                let problem = format!(
                    "the process cannot use this core: give one of {}",
                    usable.join(", ")
                );
                Err(ConfigError::value(poller.key("core"), core, problem))
            }
            (Some(core), _) => Ok(core),
            (None, _) => free.pop().copied().ok_or_else(|| {
                let problem = "no core is left for this poller: have fewer pollers, or let the \
                               process use more cores";
                ConfigError::value(poller.key("core"), "automatic", problem)
            }),
        };
        self.poller.iter().map(core_of).collect()
    }

    /// Checks what a start needs: a port, their interfaces and PCI devices, and the capabilities of this process.
    ///
    /// # Errors
    /// [`ConfigError`]: the key, and what to do.
    pub fn check_for_start(&self) -> Result<(), ConfigError> {
        self.check_has_port()?;
        // Without an answer the call that needs a capability reports that it may not.
        if let Ok(own) = capabilities(None) {
            self.permitted_with(own.effective)
                .map_err(ConfigError::of_machine)?;
        }
        self.check_devices()
    }

    /// Checks that there is a port.
    ///
    /// # Errors
    /// [`ConfigError::Value`].
    pub fn check_has_port(&self) -> Result<(), ConfigError> {
        if self.port.is_empty() {
            let problem = "give at least one [[port]]: a session needs a port";
            return Err(ConfigError::value("port", "[]", problem));
        }
        Ok(())
    }

    /// Checks that the machine has the ports' namespaces, interfaces and PCI devices, without opening them.
    ///
    /// # Errors
    /// [`ConfigError::Machine`]: the first that it has not.
    pub fn check_devices(&self) -> Result<(), ConfigError> {
        let check = |port| self.check_device(port).map_err(ConfigError::of_machine);
        self.port.iter().try_for_each(check)
    }

    fn check_device(&self, port: &Port) -> Result<(), ConfigError> {
        if let Some(device) = port.pci()? {
            let usable = device.check();
            usable.map_err(|error| port.wrong("device", &port.device, error.to_string()))?;
        }
        let netns = port.netns.as_deref();
        let found = Link::of(&port.device, netns)
            .and_then(|link| link.map(|link| Ok((link.state()?, link))).transpose());
        match found {
            Ok(Some((None, link))) => {
                let at = netns.map_or_else(
                    || "`ip link` shows those that exist".to_owned(),
                    |netns| format!("`ip -n {netns} link` shows those that exist there"),
                );
                let problem = format!("there is no interface {}: {at}", link.interface());
                Err(port.wrong("device", &port.device, problem))
            }
            // Opening the port would report it in the same words.
            Err(error @ onair_dpdk::Error::Namespace { .. }) => {
                Err(port.wrong("netns", netns.unwrap_or(""), error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the ports can be opened. A probe that is not permitted is reported as blind, later.
    fn permitted_with(&self, own: CapabilitySet) -> Result<(), ConfigError> {
        let packets = [
            (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"),
            (CapabilitySet::NET_RAW, "CAP_NET_RAW"),
        ];
        let admin = [(CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN")];
        let missing = |needed: &[(CapabilitySet, &'static str)]| {
            let names = needed.iter().filter(|(bit, _)| !own.contains(*bit));
            let names: Vec<_> = names.map(|(_, name)| *name).collect();
            (!names.is_empty()).then(|| {
                let names = names.join(", ");
                format!("this needs {names}: run as root, or give the capabilities to the service")
            })
        };
        for port in &self.port {
            if let Some(problem) = port.netns.as_ref().and_then(|_| missing(&admin)) {
                return Err(port.wrong("netns", port.netns.as_deref().unwrap_or(""), problem));
            }
            let interface = port.claim()?.interface;
            if let Some(problem) = interface.and_then(|_| missing(&packets)) {
                return Err(port.wrong("device", &port.device, problem));
            }
        }
        Ok(())
    }
}

fn cores_in(set: &CpuSet) -> impl Iterator<Item = usize> {
    (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core))
}

/// The isolated cores that a thread of this process may be pinned to. The kernel leaves them out of the
/// affinity that a process starts with (`isolcpus` in Documentation/admin-guide/kernel-parameters.txt).
fn isolated() -> BTreeSet<usize> {
    let list = fs::read_to_string("/sys/devices/system/cpu/isolated").unwrap_or_default();
    let mut wanted = CpuSet::new();
    for core in numbers(&list).range(..CpuSet::MAX_CPU) {
        wanted.set(*core);
    }
    // The kernel answers with the ones that the thread's cpuset allows.
    let try_out = move || {
        sched_setaffinity(None, &wanted).ok()?;
        sched_getaffinity(None).ok()
    };
    let tried = thread::Builder::new().spawn(try_out).ok();
    let permitted = tried.and_then(|it| it.join().ok()).flatten();
    permitted.iter().flat_map(cores_in).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn cores_that_do_not_exist_are_refused_with_those_that_do() {
        let config = config("[[poller]]\nname=\"p\"\ncore=9\n");
        let error = config
            .cores_among(Some(&[0, 2].into()), &[].into())
            .unwrap_err();
        assert!(error.to_string().ends_with("give one of 0, 2"), "{error}");
        let cores = config.cores_among(Some(&[9].into()), &[].into());
        assert_eq!(cores.unwrap(), [9]);
    }

    #[test]
    fn poller_without_a_core_gets_the_highest_that_no_poller_has() {
        let text =
            "[[poller]]\nname=\"p\"\n[[poller]]\nname=\"q\"\ncore=3\n[[poller]]\nname=\"r\"\n";
        let config = config(text);
        let cores = |usable: &[usize], isolated: &[usize]| {
            let usable = usable.iter().copied().collect();
            config.cores_among(Some(&usable), &isolated.iter().copied().collect())
        };
        assert_eq!(cores(&[0, 1, 2, 3], &[]).unwrap(), [2, 3, 1]);
        assert_eq!(cores(&[0, 1, 2, 3, 4], &[1]).unwrap(), [1, 3, 4]);
        assert_eq!(cores(&[0, 1, 2, 3, 4], &[1, 2, 3]).unwrap(), [2, 3, 1]);
        let error = cores(&[2, 3], &[]).unwrap_err();
        let expected = "poller.r.core = automatic: no core is left";
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn missing_capabilities_are_named_with_the_key_that_needs_them() {
        let all = CapabilitySet::all();
        let port = "[[port]]\nname=\"a\"\naddress=\"10.0.0.1/24\"\npoller=\"p\"\n";
        let xdp = config(&format!("{port}device=\"net_af_xdp0,iface=eth1\""));
        for (config, missing, expected) in [
            (
                xdp.clone(),
                CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW,
                "port.a.device = net_af_xdp0,iface=eth1: this needs CAP_NET_ADMIN, CAP_NET_RAW:",
            ),
            (
                config(&format!("{port}device=\"ring:x:a\"\nnetns=\"n\"")),
                CapabilitySet::SYS_ADMIN,
                "port.a.netns = n: this needs CAP_SYS_ADMIN:",
            ),
        ] {
            config.permitted_with(all).unwrap();
            let error = config.permitted_with(all - missing).unwrap_err();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn interface_that_does_not_exist_is_refused() {
        let port = "[[port]]\nname=\"a\"\naddress=\"10.0.0.1/24\"\npoller=\"p\"\n";
        let config = config(&format!("{port}device=\"net_af_xdp0,iface=onair-none\""));
        let error = config.check_for_start().unwrap_err();
        assert!(error.is_of_the_machine(), "it may come: a retry is right");
        let error = error.to_string();
        assert!(
            error.contains("there is no interface onair-none"),
            "{error}"
        );
        let error = Config::default().check_for_start().unwrap_err();
        assert!(!error.is_of_the_machine(), "{error}");
    }
}
