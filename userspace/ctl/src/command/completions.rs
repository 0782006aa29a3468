//! `onairctl completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{DONE, Failure};
use crate::output;

/// Which shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  onairctl completions bash > /etc/bash_completion.d/onairctl")]
pub(crate) struct Completions {
    /// Shell to complete for
    shell: Shell,
}

pub(crate) fn run(completions: &Completions) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        completions.shell,
        &mut Cli::command(),
        "onairctl",
        &mut script,
    );
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(DONE)
}
