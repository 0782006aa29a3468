//! The command line.

use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;

/// List callers blocked in buffer_get, even when onaird is wedged
///
/// Needs root, or CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH. Without them it lists what
/// /proc shows of your own processes.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  onair-waiters                      list callers in every process that maps a file with onair sites
  onair-waiters --pid 4711 4712      list only these processes
  onair-waiters --watch 2            list again every 2 seconds, until interrupted
  onair-waiters --json | jq '.waiters[] | select(.source == \"proc\")'

Sources of a row:
  probe   this program's own probe saw the wait begin
  onaird  the map of a daemon's probe, which works even if the daemon hangs
  proc    asleep in futex since before the tool started, inside the library's wait (by a mark on
          its stack); the duration is unknown

Exit codes:
  0  the list is complete
  1  the list failed
  2  wrong usage
  3  the list may be incomplete: the probe could not be loaded, or a process could not be inspected"
)]
pub(crate) struct Options {
    /// List only these processes
    #[arg(long, value_name = "PID", num_args = 1.., conflicts_with = "all")]
    pub(crate) pid: Vec<u32>,
    /// List all processes that map a file with onair sites (the default)
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON on stdout: one document; with --watch one per line
    #[arg(long)]
    pub(crate) json: bool,
    /// List once and exit (the default)
    #[arg(long, conflicts_with = "watch")]
    pub(crate) once: bool,
    /// List again after this many seconds, until interrupted
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) watch: Option<Duration>,
    /// Observe this long before the first list: callers that call again meanwhile are listed in
    /// full
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    pub(crate) observe: Duration,
    /// Load no probe; list only what /proc and the probes of daemons show
    #[arg(long)]
    pub(crate) no_probe: bool,
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    let value: f64 = text
        .parse()
        .with_context(|| format!("{text:?} is not a number of seconds"))?;
    Ok(Duration::try_from_secs_f64(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_parse_then_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
        let options = Options::try_parse_from(["onair-waiters", "--pid", "1", "2", "--json"]);
        assert_eq!(options.expect("valid").pid, [1, 2]);
        for wrong in [
            &["onair-waiters", "--pid", "1", "--all"][..],
            &["onair-waiters", "--watch", "-1"],
            &["onair-waiters", "--once", "--watch", "1"],
            &["onair-waiters", "--watch", "soon"],
        ] {
            assert!(Options::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
