//! What a configuration asks of the machine, checked before the daemon creates anything.

use std::collections::BTreeSet;

use onair_dpdk::Link;
use rustix::thread::{CapabilitySet, CpuSet, capabilities, sched_getaffinity};

use super::{Config, ConfigError};

impl Config {
    /// Checks that the cores of the pollers exist and that this process may use them.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first other core, and the cores that there are.
    pub fn check_cores(&self) -> Result<(), ConfigError> {
        // Without an answer the poller reports what the kernel says when it is pinned.
        let Ok(set) = sched_getaffinity(None) else {
            return Ok(());
        };
        let cores = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
        self.cores_are_among(&cores.collect())
    }

    fn cores_are_among(&self, cores: &BTreeSet<usize>) -> Result<(), ConfigError> {
        match self.poller.iter().find(|it| !cores.contains(&it.core)) {
            None => Ok(()),
            Some(poller) => {
                let usable = cores.iter().map(usize::to_string).collect::<Vec<_>>();
                let problem = format!(
                    "the process cannot use this core: give one of {}",
                    usable.join(", ")
                );
                Err(ConfigError::value(poller.key("core"), poller.core, problem))
            }
        }
    }

    /// Checks what a start needs: a port, their interfaces and PCI devices, and the capabilities of this process.
    ///
    /// # Errors
    /// [`ConfigError`]: the key, and what to do.
    pub fn check_for_start(&self) -> Result<(), ConfigError> {
        if self.port.is_empty() {
            let problem = "give at least one [[port]]: a session needs a port";
            return Err(ConfigError::value("port", "[]", problem));
        }
        // Without an answer the call that needs a capability reports that it may not.
        if let Ok(own) = capabilities(None) {
            self.permitted_with(own.effective)?;
        }
        for port in &self.port {
            if let Some(device) = port.pci()? {
                let usable = device.check(self.dpdk.without_iommu);
                usable.map_err(|error| port.wrong("device", &port.device, error.to_string()))?;
            }
            // An error is one of the namespace: opening the port reports it, in the same words.
            let link = Link::of(&port.device, port.netns.as_deref()).ok().flatten();
            let is_missing = link
                .as_ref()
                .is_some_and(|link| matches!(link.state(), Ok(None)));
            if let (Some(link), true) = (link, is_missing) {
                let at = port.netns.as_deref().map_or_else(
                    || "`ip link` shows those that exist".to_owned(),
                    |netns| format!("`ip -n {netns} link` shows those that exist there"),
                );
                let problem = format!("there is no interface {}: {at}", link.interface());
                return Err(port.wrong("device", &port.device, problem));
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn cores_that_do_not_exist_are_refused_with_those_that_do() {
        let config = config("[[poller]]\nname=\"p\"\ncore=9\n");
        let error = config.cores_are_among(&[0, 2].into()).unwrap_err();
        assert!(error.to_string().ends_with("give one of 0, 2"), "{error}");
        config.cores_are_among(&[9].into()).unwrap();
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
        let error = config.check_for_start().unwrap_err().to_string();
        assert!(
            error.contains("there is no interface onair-none"),
            "{error}"
        );
    }
}
