//! `onairctl wall`: the program `onair-wall`, before the same daemon.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use onair_control::Client;

use crate::args::Options;
use crate::failure::{Failure, REFUSED};

/// Show the sessions in a browser: pictures, meters, lamps
///
/// Runs onair-wall, which is a package of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  onairctl wall                            then open http://127.0.0.1:8180/
  onairctl wall --listen 10.0.0.5:8180
  onairctl --host ops@studio1 wall         of a daemon elsewhere, without pictures
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
    /// With `--host` it runs it while ssh forwards the socket of `client`.
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let mut command = Command::new(program());
        command.arg("--control").arg(client.socket());
        let error = if options.host.is_some() {
            command.arg("--remote").args(&self.arguments);
            let mut command = tokio::process::Command::from(command);
            match command.kill_on_drop(true).status().await {
                Ok(status) => {
                    let code = status.code().and_then(|it| u8::try_from(it).ok());
                    return Ok(code.unwrap_or(REFUSED));
                }
                Err(error) => error,
            }
        } else {
            command.args(&self.arguments).exec()
        };
        Err(Failure::Input(format!(
            "cannot run onair-wall: {error}: install the package onair-wall"
        )))
    }
}

/// The program of the package; where there is none, the one that was built beside this program.
fn program() -> PathBuf {
    let name = Path::new("onair-wall");
    let path = env::var_os("PATH").unwrap_or_default();
    let is_installed = env::split_paths(&path).any(|it| it.join(name).is_file());
    let own = env::current_exe().map(|it| it.with_file_name(name));
    match own {
        Ok(own) if !is_installed && own.is_file() => own,
        _ => name.to_owned(),
    }
}
