//! `cargo xtask bench`: hands over to the crate `onair-bench`.

use anyhow::{Result, bail};

use crate::cargo::{SHIPPED, program, programs, remapped, root, supervised};
use crate::{clean_up, say, setup};

/// Measures, each figure beside its limit or its peer in the same run
///
/// All arguments go to the bench; `cargo xtask bench --help` shows its own help.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    /// What `onair-bench` takes
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::when_missing(setup::Purpose::Bench)?;
    clean_up::report(&onair_stage::take_down_leftovers()?);
    // One build with one set of features: `cargo run` of the bench alone would build half of it again.
    let packages = [
        "--package",
        "onair-bench",
        "--package",
        "onaird",
        "--package",
        "onairctl",
        "--package",
        "onair-gst",
        "--package",
        "onair-mxl",
        "--package",
        "onair-convert",
        "--package",
        "onair-wall",
    ];
    let built = programs(SHIPPED, &packages, &remapped())?;
    let here = std::env::current_dir().unwrap_or_else(|_| root().to_owned());
    let bench = program(&built, "onair-bench")?.to_string_lossy();
    let done = supervised(&bench, |command| {
        command.args(&arguments.arguments).current_dir(here);
    })?;
    if !done.status.success() {
        bail!("the bench failed ({})", done.status);
    }
    say::good("done");
    Ok(())
}
