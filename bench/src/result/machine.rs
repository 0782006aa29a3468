//! What the figures were taken on.

use std::fmt;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::place;
use crate::result::noise::{self, Noise};

/// How long the noise is listened to before anything is measured.
const LISTEN: Duration = Duration::from_secs(1);

/// The machine, as it was when the run began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// When the run began, UTC.
    pub(crate) at: String,
    /// Commit of the source tree, with `-dirty` if files differ from it; empty if git does not know it.
    #[serde(default)]
    pub(crate) commit: String,
    /// Model of the processor.
    pub(crate) processor: String,
    /// Cores that the bench may use.
    pub(crate) cores: usize,
    /// MHz of the first core, by the kernel.
    pub(crate) mhz: Option<f64>,
    /// Who decides on the frequency; empty where the machine does not say.
    pub(crate) governor: String,
    /// Memory, in MiB.
    pub(crate) memory_mib: u64,
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// Runnable threads, the mean of a minute.
    pub(crate) load: f64,
    /// What others took of it.
    pub(crate) noise: Noise,
    /// Figures with fewer samples.
    pub(crate) quick: bool,
    /// Beside a busy process on each core.
    #[serde(default)]
    pub(crate) loaded: bool,
}

impl Machine {
    /// Looks at the machine, and listens to its noise for a second.
    pub(crate) fn look(quick: bool) -> Result<Self> {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let of_info = |key: &str| {
            let line = info.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(": ")?.1.trim().to_owned())
        };
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory = memory.split_ascii_whitespace().nth(1);
        let governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
        Ok(Self {
            at: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            commit: commit(),
            processor: of_info("model name").unwrap_or_else(|| "unknown".into()),
            cores: place::cores()?.len(),
            mhz: of_info("cpu MHz").and_then(|mhz| mhz.parse().ok()),
            governor: fs::read_to_string(governor)
                .unwrap_or_default()
                .trim()
                .into(),
            memory_mib: memory.and_then(|kib| kib.parse().ok()).unwrap_or(0) / 1024,
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            load: load(),
            noise: noise::probe(LISTEN)?,
            quick,
            loaded: false,
        })
    }
}

fn commit() -> String {
    let asked = Command::new("git")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), "describe"])
        .args(["--always", "--dirty", "--abbrev=12", "--exclude=*"])
        .output();
    match asked {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => String::new(),
    }
}

/// Runnable threads, the mean of the last minute.
pub(crate) fn load() -> f64 {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = load.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(f64::NAN)
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cores,
            processor,
            memory_mib,
            kernel,
            load,
            noise,
            loaded,
            ..
        } = self;
        let mhz = self
            .mhz
            .map_or(String::new(), |mhz| format!(" at {mhz:.0} MHz"));
        write!(
            f,
            "{cores} cores of {processor}{mhz}, {} GiB, Linux {kernel}, load {load:.2} at the start; \
             noise: others had {:.2} % of it, {:.0} gaps a second and core, the longest {:.0} µs{}",
            memory_mib / 1024,
            noise.stolen_percent,
            noise.gaps_per_second,
            noise.gap_max_us.unwrap_or(0.0),
            if *loaded {
                "; beside a busy process on each core"
            } else {
                ""
            },
        )
    }
}
