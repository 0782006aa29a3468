//! P15: what the daemon's signal handler takes: a signal that a thread sends itself, from the call to
//! its return, beside the same with a handler that does nothing.

use std::process::Command;

use anyhow::{Context as _, Result};
use onair_ipc::sys;
use onair_settings::config::ShutdownConfig;
use onaird::shutdown::{ShutdownCoordinator, Signals};
use signal_hook::consts::{SIGTERM, SIGUSR2};

use crate::place;
use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::run::Run;

const LIMIT_NS: f64 = 1_000.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    run.case("SIGTERM", 1);
    let output = Command::new(std::env::current_exe()?)
        .args(["handler", "--rounds", &run.of(20_000).to_string()])
        .output()
        .context("starting the process that signals itself")?;
    anyhow::ensure!(
        output.status.success(),
        "it failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (ours, empty): (Vec<f64>, Vec<f64>) = serde_json::from_slice(&output.stdout)?;
    let (ours, empty) = (Samples::from_iter(ours), Samples::from_iter(empty));
    let more: Samples = Samples::from_iter([ours.ranks().median() - empty.ranks().median()]);
    run.step();
    Ok(vec![
        Row::of("P15", "SIGTERM to the own thread → back", "ns", &ours)
            .beside("a handler that does nothing", &ours, &empty)
            .pinned("core 0")
            .part(),
        Row::of("P15", "handler, beyond one that does nothing", "ns", &more)
            .limit("requirement: 1 µs", LIMIT_NS)
            .pinned("core 0")
            .target("< 1 µs", |row| row.p50_at_most(LIMIT_NS)),
    ])
}

/// The process that signals itself.
#[derive(clap::Args)]
pub(crate) struct Handler {
    #[arg(long)]
    rounds: usize,
}

impl Handler {
    pub(crate) fn run(&self) -> Result<()> {
        let coordinator = ShutdownCoordinator::new(ShutdownConfig::default())?;
        // A storm that lasts longer than the debounce is no second signal here.
        let _signals = Signals::install(&coordinator, || {})?;
        sys::handle_by_nothing(SIGUSR2)?;
        // The thread that takes the signals stays where it was.
        place::pin(*place::cores()?.first().context("no core")?)?;
        let raise = |signal| -> Result<f64> {
            let begin = sys::monotonic_ns();
            signal_hook::low_level::raise(signal)?;
            Ok(f64::from(u32::try_from(sys::monotonic_ns() - begin)?))
        };
        let (mut ours, mut empty) = (vec![], vec![]);
        for round in 0..self.rounds + 100 {
            let (own, other) = (raise(SIGTERM)?, raise(SIGUSR2)?);
            if round >= 100 {
                ours.push(own);
                empty.push(other);
            }
        }
        println!("{}", serde_json::to_string(&(ours, empty))?);
        Ok(())
    }
}
