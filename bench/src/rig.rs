//! Real daemons to measure, each on a stage of its own.

use anyhow::Result;
use onair_stage::{Backend, Config, MEMORY_MB, Raster, Rig, Stage, Veth};

/// The picture of sessions in which nothing depends on it.
pub(crate) const TINY: Raster = Raster::new(64, 16, 60, 8);

/// A daemon with two ports `a` and `b` at the ends of a wire inside it.
pub(crate) fn rings() -> Result<Rig> {
    Rig::rings("bench", |_| {}, |_| {})
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
