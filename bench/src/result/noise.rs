//! How much of the machine others take: a thread on each core that does nothing but look at the clock.

use std::time::Duration;

use anyhow::{Result, anyhow};
use onair_ipc::sys;
use serde::{Deserialize, Serialize};

use crate::place;
use crate::result::samples::{Samples, float, micros};

/// Longer than that between two looks at the clock: another task had the core.
const GAP_NS: u64 = 5_000;

/// What the probe saw, all cores together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noise {
    /// How long each core was looked at, in seconds.
    pub(crate) seconds: f64,
    /// Share of the time, in percent, that the probe did not have its core.
    pub(crate) stolen_percent: f64,
    /// Times a second and core that it lost its core for more than 5 µs.
    pub(crate) gaps_per_second: f64,
    /// The 99th percentile of these, in µs.
    pub(crate) gap_p99_us: Option<f64>,
    /// The longest of these, in µs.
    pub(crate) gap_max_us: Option<f64>,
}

/// Spins on each core that we may use, for `span`.
pub(crate) fn probe(span: Duration) -> Result<Noise> {
    let cores = place::cores()?;
    let gaps = std::thread::scope(|scope| {
        let probes: Vec<_> = cores
            .iter()
            .map(|&core| scope.spawn(move || spin(core, span)))
            .collect();
        let joined = probes.into_iter().map(|probe| probe.join());
        joined
            .map(|gaps| gaps.map_err(|_| anyhow!("the noise probe panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    let all: Samples = gaps.into_iter().flatten().collect();
    Ok(Noise::of(&all, span.as_secs_f64(), cores.len()))
}

impl Noise {
    fn of(gaps: &Samples, seconds: f64, cores: usize) -> Self {
        let whole = seconds * float(cores as u64);
        let ranks = gaps.ranks();
        let some = |value: f64| value.is_finite().then_some(value);
        Self {
            seconds,
            stolen_percent: 100.0 * gaps.sum() / 1e6 / whole,
            gaps_per_second: float(gaps.len() as u64) / whole,
            gap_p99_us: some(ranks.per_mille(990)),
            gap_max_us: some(ranks.per_mille(1000)),
        }
    }
}

/// Gaps in µs.
fn spin(core: usize, span: Duration) -> Result<Vec<f64>> {
    place::pin(core)?;
    let span = u64::try_from(span.as_nanos())?;
    let begin = sys::monotonic_ns();
    let (mut last, mut gaps) = (begin, vec![]);
    while last - begin < span {
        let now = sys::monotonic_ns();
        if now - last > GAP_NS {
            gaps.push(micros(now - last));
        }
        last = now;
    }
    Ok(gaps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_gaps_on_two_cores_then_share_of_both() {
        let gaps: Samples = [10_000.0, 30_000.0].into_iter().collect();
        let noise = Noise::of(&gaps, 1.0, 2);
        assert_eq!(noise.stolen_percent, 2.0);
        assert_eq!(noise.gaps_per_second, 1.0);
        assert_eq!(noise.gap_max_us, Some(30_000.0));
        assert_eq!(Noise::of(&Samples::default(), 1.0, 2).gap_p99_us, None);
    }
}
