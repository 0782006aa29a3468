//! `onairctl doctor`.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::args::Options;
use crate::failure::Failure;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
It runs `onaird --doctor`, as root; no daemon has to run. Without --config it reads /etc/onair/onaird.toml, if that is there.
Exit code 0: nothing failed; 1: something failed; 6: the configuration is invalid.

Examples:
  onairctl doctor
  onairctl doctor --config /etc/onair/onaird.toml
  onairctl --json doctor | jq '.[] | select(.level != \"ok\")'")]
pub(crate) struct Doctor {
    /// Configuration file of the daemon
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Doctor {
    /// Replaces this process by the daemon's program. Returns only if that fails.
    pub(crate) fn run(&self, options: &Options) -> Result<u8, Failure> {
        let program = daemon_program();
        let mut command = Command::new(&program);
        command.arg("--doctor");
        if options.json {
            command.arg("--json");
        }
        if let Some(file) = &self.config {
            command.arg("--config").arg(file);
        }
        let error = command.exec();
        Err(Failure::NoDaemonProgram { program, error })
    }
}

/// The daemon's program: in the folder of this one, else in PATH.
pub(super) fn daemon_program() -> PathBuf {
    beside(env::current_exe().ok().as_deref())
}

/// `onaird` in the folder of `own`, else the one in PATH.
fn beside(own: Option<&Path>) -> PathBuf {
    let near = own.map(|own| own.with_file_name("onaird"));
    near.filter(|near| near.exists())
        .unwrap_or_else(|| "onaird".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_of_the_same_folder_comes_first() {
        assert_eq!(beside(None), Path::new("onaird"));
        assert_eq!(
            beside(Some(Path::new("/nowhere/onairctl"))),
            Path::new("onaird")
        );
        let folder = tempfile::tempdir().unwrap();
        let near = folder.path().join("onaird");
        std::fs::write(&near, "").unwrap();
        assert_eq!(beside(Some(&folder.path().join("onairctl"))), near);
    }
}
