//! Two networks that carry the same packets (ST 2022-7): a cable each, with a sender's port at one end and a
//! receiver's at the other.

use anyhow::Result;
use onair_api::{LegDocument, Source, SpecDocument};
use onair_stage::{Backend, Config, MEMORY_MB, Raster, Stage, Veth, receive, send};

use crate::network::switched::at_the_switch;
use crate::rig::Rig;

/// A daemon with ports `a` and `b` at the ends of the first cable, and `c` and `d` at those of the second.
#[derive(Debug)]
pub struct TwoNetworks {
    /// The daemon.
    pub rig: Rig,
}

impl TwoNetworks {
    /// Two networks for a daemon with one poller.
    pub fn open(backend: Backend) -> Result<Self> {
        Self::with(backend, &[("vc", "vd")], "")
    }

    /// As [`Self::open`], with these cables between `vc` and `vd`, and more keys.
    pub fn with(
        backend: Backend,
        second: &[(&'static str, &'static str)],
        more: &str,
    ) -> Result<Self> {
        let mut config = Config::two_networks(backend);
        config.more += more;
        Self::of(config, second)
    }

    /// As [`Self::open`]; the ports of the first network have an IPv6 address, too: fd77::1 and fd77::2.
    pub fn of_ipv6(backend: Backend) -> Result<Self> {
        let mut config = Config::two_networks(backend);
        for (port, number) in config.ports.iter_mut().zip(1..=2) {
            port.keys = format!("ipv6 = \"fd77::{number}/64\"\n");
        }
        Self::of(config, &[("vc", "vd")])
    }

    /// As [`Self::open`], with a switch in each network, which forwards a group only where it was joined, until the leave.
    /// Its ports before `b` and `d` are `xb` and `xd`.
    pub fn switched(backend: Backend) -> Result<Self> {
        let stage = Stage::open("test")?;
        let cables = [("xa", "va"), ("xb", "vb"), ("xc", "vc"), ("xd", "vd")];
        for (switch, cables) in ["br1", "br2"].into_iter().zip(cables.chunks(2)) {
            stage.ip(&format!(
                "link add {switch} type bridge mcast_snooping 1 mcast_igmp_version 3 \
                 mcast_query_response_interval 50 mcast_startup_query_interval 100"
            ))?;
            stage.ip(&format!("link set {switch} type bridge mcast_querier 1"))?;
            for (end, port) in cables {
                stage.veth(&Veth::bare(end, port))?;
                at_the_switch(stage.namespace(), end, switch)?;
                stage.ip(&format!(
                    "link set dev {end} type bridge_slave mcast_fast_leave on"
                ))?;
            }
            stage.ip(&format!("link set {switch} up"))?;
        }
        Self::on(stage, Config::two_networks(backend))
    }

    fn of(config: Config, second: &[(&'static str, &'static str)]) -> Result<Self> {
        let stage = Stage::open("test")?;
        stage.veth(&Veth::bare("va", "vb"))?;
        for (one, other) in second {
            stage.veth(&Veth::bare(one, other))?;
        }
        Self::on(stage, config)
    }

    fn on(stage: Stage, mut config: Config) -> Result<Self> {
        config.hugepages = stage.hugepages(2 * MEMORY_MB)?;
        let mut rig = onair_stage::Rig::new(stage, config);
        rig.start_daemon()?;
        Ok(Self { rig: rig.into() })
    }

    /// Cuts the cable at this end, or mends it.
    pub fn switch(&self, end: &str, up: bool) -> Result<()> {
        let to = if up { "up" } else { "down" };
        self.rig.stage().ip(&format!("link set {end} {to}"))
    }
}

/// A session that receives on `b` and `d`, from the groups 239.1.0.1 and 239.2.0.1.
#[must_use]
pub fn receive_both(name: &str, raster: Raster, udp: u16) -> SpecDocument {
    let mut spec = receive(name, raster, udp);
    spec.flow.destination = format!("239.1.0.1:{udp}");
    spec.flow.second_leg = Some(leg("d", udp));
    spec
}

/// A session that sends from `a` and `c`, to these groups.
#[must_use]
pub fn send_both(name: &str, raster: Raster, udp: u16) -> SpecDocument {
    let mut spec = send(name, raster, udp, Source::Pattern);
    spec.flow.destination = format!("239.1.0.1:{udp}");
    spec.flow.second_leg = Some(leg("c", udp));
    spec
}

/// The second leg on port `port`.
#[must_use]
pub fn leg(port: &str, udp: u16) -> LegDocument {
    LegDocument {
        port: port.to_owned(),
        destination: format!("239.2.0.1:{udp}"),
        source: None,
        sources: None,
        payload_type: None,
        class: None,
    }
}
