//! `cargo xtask clean-up`: takes down by hand what runs that were killed left behind.

use anyhow::Result;
use onair_stage::take_down_leftovers;

use crate::say;

/// Takes down what demos, tests and benches that were killed left on the machine
///
/// Every one of them does so at its beginning too. What belongs to one that still runs is left alone.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask clean-up")]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let gone = take_down_leftovers()?;
    if gone.is_empty() {
        say::good("nothing was left behind");
    }
    report(&gone);
    Ok(())
}

/// Tells what of killed runs was taken down.
pub(crate) fn report(gone: &[String]) {
    for thing in gone {
        say::note(format_args!(
            "left behind by a run that was killed, taken down: {thing}"
        ));
    }
}
