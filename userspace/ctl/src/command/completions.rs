//! `onairctl completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::{DONE, Failure};
use crate::output;

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  onairctl completions bash > /etc/bash_completion.d/onairctl")]
pub(crate) struct Completions {
    /// Shell that reads the script
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
