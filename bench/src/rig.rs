//! Real daemons to measure, each on a stage of its own.

use anyhow::{Context as _, Result};
use onair_stage::{Backend, Config, End, MEMORY_MB, Raster, Rig, Stage, Veth};

use crate::place;

/// The picture of sessions in which nothing depends on it.
pub(crate) const TINY: Raster = Raster::new(64, 16, 60, 8);

/// A daemon with two ports `a` and `b` at the ends of a wire inside it.
pub(crate) fn rings() -> Result<Rig> {
    Rig::rings("bench", |_| {}, |_| {})
}

/// The same with more of the configuration, as TOML.
pub(crate) fn rings_with(more: &str) -> Result<Rig> {
    Rig::rings("bench", |config| config.more += more, |_| {})
}

/// Two ports `a` and `b` on AF_XDP at the ends of a veth pair, with hugepages where the kernel has
/// them, and a second pair `ta`–`tb` for another user. The daemon is not started yet.
pub(crate) fn cables(change: impl FnOnce(&mut Config)) -> Result<Rig> {
    let stage = Stage::open("bench")?;
    for (a, b) in [("va", "vb"), ("ta", "tb")] {
        stage.veth(&Veth::bare(a, b))?;
    }
    let mut config = Config::pair(Backend::AfXdp);
    // As much again for the program beside it.
    config.hugepages = stage.hugepages(2 * MEMORY_MB)?;
    change(&mut config);
    Ok(Rig::new(stage, config))
}

/// A port `b` (10.77.0.2) on AF_XDP at one end of a veth pair. The other end (10.77.0.1) belongs to the
/// kernel of the stage's namespace. `idle` is the poller's policy. The daemon is not started yet.
pub(crate) fn from_the_kernel(idle: &str) -> Result<Rig> {
    let stage = Stage::open("bench")?;
    let kernel = End {
        name: "va",
        address: Some("10.77.0.1/24"),
    };
    stage.veth(&Veth {
        a: kernel,
        ..Veth::bare("va", "vb")
    })?;
    let mut config = Config::pair(Backend::AfXdp);
    config.hugepages = stage.hugepages(MEMORY_MB)?;
    let netns = format!("netns = \"{}\"\n", stage.namespace());
    let port = Port {
        name: "b",
        device: "net_af_xdp_vb,iface=vb",
        address: "10.77.0.2/24",
    };
    config.pollers = 0;
    config.ports.clear();
    config.more = poller(idle)? + &port.toml() + &netns;
    Ok(Rig::new(stage, config))
}

/// A port as a row wants it.
pub(crate) struct Port {
    pub(crate) name: &'static str,
    pub(crate) device: &'static str,
    pub(crate) address: &'static str,
}

impl Port {
    fn toml(&self) -> String {
        let Self {
            name,
            device,
            address,
        } = self;
        format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddress = \"{address}\"\n\
             poller = \"p0\"\n"
        )
    }
}

/// `[[poller]]` of `p0`, on the last core.
fn poller(idle: &str) -> Result<String> {
    let core = *place::cores()?.last().context("no core")?;
    Ok(format!(
        "[[poller]]\nname = \"p0\"\ncore = {core}\nidle = \"{idle}\"\n"
    ))
}

/// The two ends of a wire inside the daemon.
pub(crate) const ONE_WIRE: [Port; 2] = [
    Port {
        name: "a",
        device: "ring:first:a",
        address: "10.77.0.1/24",
    },
    Port {
        name: "b",
        device: "ring:first:b",
        address: "10.77.0.2/24",
    },
];

/// A daemon with one poller and both ends of [`ONE_WIRE`]. It is not started yet.
pub(crate) fn wire(idle: &str) -> Result<Rig> {
    let stage = Stage::open("bench")?;
    let mut config = Config::pair(Backend::Ring);
    config.hugepages = stage.hugepages(2 * MEMORY_MB)?;
    config.pollers = 0;
    config.ports.clear();
    config.more = poller(idle)?;
    for port in &ONE_WIRE {
        config.more += &port.toml();
    }
    Ok(Rig::new(stage, config))
}
