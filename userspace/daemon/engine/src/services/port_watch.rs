//! Problems of a port's traffic: found by comparing its counters, and its MTU, from look to look.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use onair_dataplane::PortInfo;
use onair_settings::diagnostics::growth::Growth;

use super::Services;
use super::ring_watch::{RingWatch, Rings};
use crate::machine::Machine;

/// How long a loss stays in the health: a look each minute finds it.
const CALM: Duration = Duration::from_secs(60);

/// Counters and MTUs of one port at a look.
#[derive(Clone, Copy, Debug, Default)]
struct PortSample {
    /// Packets that came, those that were missed, too.
    arrived: u64,
    /// Packets dropped before their poller had them.
    missed: u64,
    /// Packets with a broken header below RTP.
    malformed: u64,
    /// Packets longer than the MTU, which the port cut.
    cut: u64,
    /// MTU of the interface, if there is one.
    mtu_now: Option<u32>,
    /// MTU of the interface when the port was opened: longer packets are cut.
    mtu: u16,
}

/// One port, from look to look.
#[derive(Debug, Default)]
struct Watched {
    missed: Growth,
    malformed: Growth,
    cut: Growth,
    ring: RingWatch,
    problems: Vec<String>,
}

/// The ports, by name.
#[derive(Debug, Default)]
pub(super) struct PortWatch(HashMap<String, Watched>);

impl Watched {
    fn look(&mut self, name: &str, rings: Option<Rings>, seen: &PortSample, now: Instant) {
        self.problems.clear();
        let &PortSample {
            arrived,
            missed,
            malformed,
            cut,
            mtu_now,
            mtu,
        } = seen;
        let raised = mtu_now.filter(|now| *now > mtu.into());
        let raised = raised.map(|now| {
            format!(
                "its interface has an MTU of {now} now; restart the daemon, or give it {mtu} again (`ip link set \
                 INTERFACE mtu {mtu}`)"
            )
        });
        if self.missed.lasts_for(missed, now, CALM) {
            let or_long = raised.as_ref().map(|it| {
                format!(". Or they are longer than the MTU of {mtu} with which it was opened: {it}")
            });
            self.problems.push(format!(
                "port {name} has missed {missed} packets, the last within a minute: its poller is late; give it a core \
                 of its own or fewer sessions, or the port another poller{}",
                or_long.unwrap_or_default()
            ));
        }
        if self.cut.lasts_for(cut, now, CALM) {
            let why = raised.unwrap_or_else(|| {
                "a program of this host sends several as one (UDP GSO): `ethtool -K PEER tx-udp-segmentation off` at \
                 the other end of the veth"
                    .to_owned()
            });
            self.problems.push(format!(
                "port {name} has cut {cut} packets, the last within a minute: they are longer than the MTU of {mtu} with \
                 which it was opened; {why}"
            ));
        }
        let short = rings.and_then(|it| self.ring.look(name, it, arrived, now, CALM));
        self.problems.extend(short);
        if self.malformed.lasts_for(malformed, now, CALM) {
            self.problems.push(format!(
                "port {name} has refused {malformed} packets that are truncated, fragments or otherwise broken below \
                 RTP, the last within a minute: look for their sender, or for a smaller MTU on the way"
            ));
        }
        if let Some(now) = mtu_now.filter(|now| *now < mtu.into()) {
            self.problems.push(format!(
                "the interface of port {name} has an MTU of {now}, and had {mtu} when it was opened: longer packets are \
                 lost; give it {mtu} again (`ip link set INTERFACE mtu {mtu}`), or restart the daemon"
            ));
        }
    }
}

impl Services {
    /// Looks at the ports' counters and interfaces.
    pub fn look_at_ports(&mut self, now: Instant) {
        for port in self.machine.dataplane().ports() {
            let name = &port.name;
            let watched = self.port_watch.0.entry(name.clone()).or_default();
            let Some(driver) = self.machine.dataplane().port_stats(name) else {
                watched.problems.clear();
                continue;
            };
            let counted = self
                .machine
                .dataplane()
                .port_counters(name)
                .unwrap_or_default();
            let missed = driver.missed() + counted.rx_hand_over_full;
            let seen = PortSample {
                arrived: counted.rx_packets + driver.missed(),
                missed,
                malformed: counted.rx_malformed,
                cut: counted.rx_cut,
                mtu_now: self.machine.dataplane().interface_mtu(name),
                mtu: port.mtu,
            };
            watched.look(name, rings(&*self.machine, port), &seen, now);
        }
    }

    /// Packets that each receive ring of a port holds, and for how long in ms they keep what comes.
    pub(super) fn ring_of(&self, port: &PortInfo) -> Option<(u32, Option<u64>)> {
        let rings = rings(&*self.machine, port)?;
        let watched = self.port_watch.0.get(&port.name);
        let keeps_ms = watched.and_then(|it| it.ring.keeps_ms(rings));
        Some((rings.each.packets, keeps_ms))
    }

    /// Problems that the last look found at a port.
    pub(super) fn port_problems(&self, name: &str) -> &[String] {
        let watched = self.port_watch.0.get(name);
        watched.map_or(&[], |watched| &watched.problems)
    }

    /// Why a port has no link: its device is gone, or the cable.
    pub fn link_problem(&self, name: &str) -> String {
        match self.gone.get(name) {
            Some(reason) => format!(
                "port {name} has no device: {reason}. The daemon opens it again when it can, and tries each second"
            ),
            None => {
                format!("the link of port {name} is down: check the cable and the other end")
            }
        }
    }
}

fn rings(machine: &dyn Machine, port: &PortInfo) -> Option<Rings> {
    Some(Rings {
        each: machine.dataplane().hardware(&port.name)?.rx_ring?,
        queues: port.queues,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_loses_packets_then_told_and_a_low_mtu_while_it_lasts() {
        let start = Instant::now();
        let mut watched = Watched::default();
        let mut look = |missed, (malformed, cut), mtu_now, at| {
            let seen = PortSample {
                arrived: 0,
                missed,
                malformed,
                cut,
                mtu_now: Some(mtu_now),
                mtu: 1500,
            };
            watched.look("a", None, &seen, start + Duration::from_secs(at));
            watched.problems.join("\n")
        };
        assert_eq!(look(0, (0, 0), 1500, 0), "");
        let raised = look(4, (0, 0), 9000, 1);
        assert!(raised.starts_with("port a has missed 4 packets"));
        assert!(raised.contains("its interface has an MTU of 9000 now"));
        assert!(look(4, (2, 0), 1500, 2).contains("has refused 2 packets that are truncated"));
        assert_ne!(look(4, (2, 0), 1500, 61), "");
        let lowered = look(4, (2, 0), 1400, 62);
        assert!(lowered.starts_with("the interface of port a has an MTU of 1400, and had 1500"));
        assert_eq!(look(4, (2, 0), 1500, 63), "");
        // What the port cuts is not its sender's fault.
        let cut = look(4, (2, 7), 1500, 64);
        assert!(
            cut.starts_with("port a has cut 7 packets") && cut.contains("UDP GSO"),
            "{cut}"
        );
        let cut = look(4, (2, 8), 9000, 65);
        assert!(
            cut.contains("MTU of 9000 now") && !cut.contains("GSO"),
            "{cut}"
        );
        assert!(!cut.contains("sender,"), "{cut}");
    }
}
