//! `cargo xtask bench`: hands over to the crate `onair-bench`.

use anyhow::{Result, bail};

use crate::cargo::{Manner, SHIPPED, cargo_with, remapped, root, supervised};
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

/// Peers that take long to build, and that only this needs.
const FEATURES: &str = "onair-bench/iceoryx2";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::when_missing(setup::Purpose::Bench)?;
    clean_up::report(&onair_stage::take_down_leftovers()?);
    let line = [
        "build",
        "--profile",
        SHIPPED,
        "--package",
        "onair-bench",
        "--features",
        FEATURES,
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
    cargo_with(Manner::InFront, &line, &remapped())?;
    let here = std::env::current_dir().unwrap_or_else(|_| root().to_owned());
    let done = supervised("cargo", |command| {
        command
            .args([
                "run",
                "--quiet",
                "--profile",
                SHIPPED,
                "--package",
                "onair-bench",
                "--features",
                FEATURES,
                "--",
            ])
            .args(&arguments.arguments)
            .envs(remapped())
            .current_dir(here);
    })?;
    if !done.status.success() {
        bail!("the bench failed ({})", done.status);
    }
    say::good("done");
    Ok(())
}
