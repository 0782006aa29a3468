//! The configuration of an `onaird` on a stage.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::stage::Stage;

/// DPDK's memory in a daemon on a stage, in MB: two ports' packets, with room to spare. With
/// hugepages, this much of them.
pub const MEMORY_MB: u64 = 256;

/// How the packets go from one port to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// AF_XDP sockets on the two ends of a veth pair: the nearest to a network card.
    AfXdp,
    /// AF_PACKET sockets on the two ends of a veth pair.
    AfPacket,
    /// Two rings inside the daemon: no kernel, no packets that another process could see.
    Ring,
}

impl Backend {
    /// From the best to the least.
    pub const ALL: [Self; 3] = [Self::AfXdp, Self::AfPacket, Self::Ring];

    /// Its name in reports and options.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AfXdp => "af_xdp",
            Self::AfPacket => "af_packet",
            Self::Ring => "ring",
        }
    }

    /// The DPDK device string for the port at `end` (`va` or `vb`).
    #[must_use]
    pub fn device(self, end: &str) -> String {
        match self {
            Self::AfXdp => format!("net_af_xdp_{end},iface={end}"),
            Self::AfPacket => format!("net_af_packet_{end},iface={end}"),
            Self::Ring => format!("ring:demo:{}", end.trim_start_matches('v')),
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One port.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name in session specifications.
    pub name: String,
    /// The DPDK device string.
    pub device: String,
    /// Whether the interface is in the stage's namespace.
    pub inside: bool,
    /// `address/prefix`.
    pub address: String,
    /// More keys, as they are.
    pub keys: String,
}

impl Port {
    /// The port `name` at the end of a cable that is called as it is, after a `v`.
    fn on(backend: Backend, name: &str, address: &str) -> Self {
        Self {
            name: name.to_owned(),
            device: backend.device(&format!("v{name}")),
            inside: backend != Backend::Ring,
            address: address.to_owned(),
            keys: String::new(),
        }
    }
}

/// What a test or the demo may want to be different from one daemon to the next; the rest is as
/// the daemon has it by default.
#[derive(Clone, Debug)]
pub struct Config {
    /// In the order of the file.
    pub ports: Vec<Port>,
    /// Pollers, all of which serve each port: `p0` on the last core, `p1` on the one before …
    pub pollers: usize,
    /// More keys of each poller, as they are.
    pub poller_keys: String,
    /// `required`, `preferred` or `off`.
    pub probe: &'static str,
    /// Whether the probe sites of a file share a link, where the kernel can.
    pub shared_links: bool,
    /// More keys of `[probe]`, as they are.
    pub probe_keys: String,
    /// Whether there are hugepages for it.
    pub hugepages: bool,
    /// More keys of `[state]`, as they are.
    pub state: String,
    /// More keys of `[control]`, as they are.
    pub control: String,
    /// More TOML, appended as it is.
    pub more: String,
}

impl Config {
    /// The ports `a` (10.77.0.1) and `b` (10.77.0.2) at the two ends of a cable `va`–`vb`.
    #[must_use]
    pub fn pair(backend: Backend) -> Self {
        Self {
            ports: vec![
                Port::on(backend, "a", "10.77.0.1/24"),
                Port::on(backend, "b", "10.77.0.2/24"),
            ],
            pollers: 1,
            poller_keys: String::new(),
            probe: "required",
            shared_links: true,
            probe_keys: String::new(),
            hugepages: false,
            state: String::new(),
            control: String::new(),
            more: String::new(),
        }
    }

    /// As [`Self::pair`], and a second network: `c` (10.78.0.1) and `d` (10.78.0.2) at a cable `vc`–`vd`. Rings have no
    /// more than one.
    #[must_use]
    pub fn two_networks(backend: Backend) -> Self {
        let mut config = Self::pair(backend);
        config.ports.extend([
            Port::on(backend, "c", "10.78.0.1/24"),
            Port::on(backend, "d", "10.78.0.2/24"),
        ]);
        config
    }

    /// Where the daemon listens for HTTP.
    #[must_use]
    pub fn control_socket(stage: &Stage) -> PathBuf {
        stage.directory().join("control.sock")
    }

    /// Where it listens for clients.
    #[must_use]
    pub fn attach_socket(stage: &Stage) -> PathBuf {
        stage.directory().join("attach.sock")
    }

    /// For the packets of its ports, in MB; of two, if they are only in [`Self::more`].
    #[must_use]
    pub fn memory_mb(&self) -> u64 {
        MEMORY_MB * (self.ports.len().div_ceil(2).max(1) as u64)
    }

    /// The file's text for a daemon on `stage`. All that the daemon writes lies in the stage's
    /// folder.
    #[must_use]
    pub fn toml(&self, stage: &Stage) -> String {
        let folder = stage.directory().display();
        let memory_mb = self.memory_mb();
        let hugepages = if self.hugepages { "require" } else { "never" };
        let pci = self
            .ports
            .iter()
            .any(|port| port.device.starts_with("0000:"));
        // A daemon that is killed while it starts would leave the machine's switch on.
        let forbid = match self.state.contains("expedite_rcu") {
            true => "",
            false => "expedite_rcu = false\n",
        };
        let mut text = format!(
            "[control]\nsocket = \"{folder}/control.sock\"\n{}\
             [attach]\nsocket = \"{folder}/attach.sock\"\n\
             [state]\ndir = \"{folder}/state\"\n{forbid}{}\
             [dpdk]\nhugepages = \"{hugepages}\"\nmemory_mb = {memory_mb}\npci = {pci}\n\
             [probe]\nmode = \"{}\"\nshared_links = {}\n{}",
            self.control, self.state, self.probe, self.shared_links, self.probe_keys
        );
        // A ptp4l of the machine is no part of a stage.
        if !self.more.contains("[clock]") {
            text += "[clock]\nptp_socket = \"off\"\n";
        }
        // The probe is blind for a client that is looked at for longer.
        let scale = crate::time_scale();
        if scale > 1 && !self.more.contains("[timeouts]") {
            let most = (250 * scale).min(5000);
            let _ = writeln!(text, "[timeouts]\nprobe_sight_ms = {most}");
        }
        // The last core: the first one has the interrupts and most of the other threads.
        let core = std::thread::available_parallelism().map_or(0, |cores| cores.get() - 1);
        for at in 0..self.pollers {
            let (core, keys) = (core - at, &self.poller_keys);
            let _ = write!(text, "[[poller]]\nname = \"p{at}\"\ncore = {core}\n{keys}");
        }
        let names: Vec<_> = (0..self.pollers).map(|at| format!("\"p{at}\"")).collect();
        let pollers = match &names[..] {
            [one] => format!("poller = {one}"),
            several => format!("pollers = [{}]", several.join(", ")),
        };
        for port in &self.ports {
            let netns = if port.inside {
                format!("netns = \"{}\"\n", stage.namespace())
            } else {
                String::new()
            };
            let _ = write!(
                text,
                "[[port]]\nname = \"{}\"\ndevice = \"{}\"\n{netns}address = \"{}\"\n{pollers}\n{}\n",
                port.name, port.device, port.address, port.keys
            );
        }
        text + &self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_for_each_two_ports_and_for_those_in_the_text() {
        let mut config = Config::two_networks(Backend::AfXdp);
        assert_eq!(config.memory_mb(), 2 * MEMORY_MB);
        config.ports.clear();
        assert_eq!(config.memory_mb(), MEMORY_MB);
    }
}
