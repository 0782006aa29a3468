//! What the figures were taken on.

use std::fs;

/// Processor, cores and kernel in one line.
pub(crate) fn line() -> String {
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let system = rustix::system::uname();
    format!(
        "{cores} cores of {model}, Linux {}, load {load} at the start",
        system.release().to_string_lossy()
    )
}
