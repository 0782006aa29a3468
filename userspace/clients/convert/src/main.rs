//! `onair-convert`: makes the frames of a converted session. onaird starts it and says what to do.
//!
//! Standard input is a socket of the daemon ([`orders`]). The order has two connections to the daemon: one attaches to the
//! source, the other fills the converted session. A thread of its own converts ([`bridge`]). The process has no
//! privileges, opens nothing by a path, and ends with the daemon.
#![forbid(unsafe_code)]

mod bridge;
mod orders;
mod process;

use std::io;
use std::process::ExitCode;

use clap::Parser;

/// Make the frames of a converted session, for onaird, which starts it
///
/// By itself it does nothing: standard input is a socket of the daemon.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Keep off these cores, if there are others
    #[arg(long, value_name = "CORE", value_delimiter = ',')]
    keep_off: Vec<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let prepared = process::leave_privileges()
        .and_then(|()| process::keep_off(&options.keep_off))
        .and_then(|()| process::end_with_the_daemon());
    match prepared.and_then(|()| orders::serve(io::stdin())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("onair-convert: {error}: onaird starts this program");
            ExitCode::FAILURE
        }
    }
}
