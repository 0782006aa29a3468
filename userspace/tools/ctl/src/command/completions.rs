//! `onairctl completions`.

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::failure::{DONE, Failure};
use crate::output;

/// With this variable set to a shell, the program prints candidates and exits.
pub(crate) const VARIABLE: &str = "ONAIRCTL_COMPLETE";

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
The script asks onairctl at each completion, and onairctl asks the daemon for the names of sessions,
recordings, ports and attachments. Without a daemon there are none.

Example:
  onairctl completions bash > /etc/bash_completion.d/onairctl")]
pub(crate) struct Completions {
    /// Shell that reads the script
    shell: Shell,
}

pub(crate) fn run(completions: &Completions) -> Result<u8, Failure> {
    let mut script = Vec::new();
    let shell = completions.shell.to_string();
    if let Some(shell) = Shells::builtins().completer(&shell) {
        let name = "onairctl";
        shell.write_registration(VARIABLE, name, name, name, &mut script)?;
    }
    if completions.shell == Shell::Zsh {
        // zsh runs the file itself at the first completion, if it found it in its path.
        script.extend(b"[[ $funcstack[1] != _onairctl ]] || _clap_dynamic_completer_onairctl\n");
    }
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(DONE)
}
