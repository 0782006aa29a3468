//! `onairctl`: the command line of the control socket.
//!
//! This program parses arguments, sends requests and prints the answers. The daemon decides what a
//! session is and whether it may be destroyed.
#![forbid(unsafe_code)]

mod args;
mod client;
mod command;
mod failure;
mod output;
mod render;
mod stream;

use std::process::ExitCode;

use args::Cli;
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("onairctl: cannot start: {error}");
            return failure::REFUSED.into();
        }
    };
    match runtime.block_on(command::run(&cli)) {
        Ok(code) => code.into(),
        Err(failure) => failure.report(&cli).into(),
    }
}
