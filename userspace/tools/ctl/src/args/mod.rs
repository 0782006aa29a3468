//! Arguments that several commands share: options of every command, values that a text stands for, and
//! the flags of each essence, a file for each.
//!
//! Commands with their own arguments are in `command`, and the whole command line in `cli`.

mod ancillary;
mod audio;
pub(crate) mod essence;
pub(crate) mod jpeg_xs;
pub(crate) mod legs;
pub(crate) mod parse;
mod video;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use parse::duration;

// No doc comment: it would replace that of the command line.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Control socket of the daemon
    #[arg(
        long,
        global = true,
        env = "ONAIR_SOCKET",
        value_name = "PATH",
        default_value = "/run/onair/control.sock"
    )]
    pub(crate) socket: PathBuf,

    /// Host of the daemon, as ssh takes it: its name, USER@HOST or ssh://USER@HOST:PORT
    #[arg(long, global = true, env = "ONAIR_HOST", value_name = "HOST")]
    pub(crate) host: Option<String>,

    /// Print the API's JSON instead of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Fail if the daemon does not answer within this time (a --wait is added to it)
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) timeout: Duration,
}
