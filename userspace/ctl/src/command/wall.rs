//! `onairctl wall`: the program `onair-wall`, before the same daemon.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::args::Options;
use crate::failure::Failure;

/// Show the sessions in a browser: pictures, meters, lamps
///
/// Runs onair-wall, which is a package of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  onairctl wall                            then open http://127.0.0.1:8180/
  onairctl wall --listen 10.0.0.5:8180
  onairctl wall --help                     of onair-wall: every argument")]
#[command(disable_help_flag = true)]
pub(crate) struct Wall {
    /// Arguments of onair-wall
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENT"
    )]
    arguments: Vec<OsString>,
}

impl Wall {
    /// Becomes that program; returns only if it cannot.
    pub(crate) fn run(&self, options: &Options) -> Result<u8, Failure> {
        let mut command = Command::new("onair-wall");
        command.arg("--control").arg(&options.socket);
        let error = command.args(&self.arguments).exec();
        Err(Failure::Input(format!(
            "cannot run onair-wall: {error}: install the package onair-wall"
        )))
    }
}
