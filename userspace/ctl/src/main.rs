//! `onairctl`: the command line of the control socket.
//!
//! This program parses arguments, sends requests and prints the answers. The daemon decides what a
//! session is and whether it may be destroyed.
#![forbid(unsafe_code)]

mod args;
mod capture;
mod cli;
mod command;
mod document;
mod failure;
mod flags;
mod names;
mod output;
#[cfg(test)]
mod reference;
mod render;
mod report;

mod topics;

use std::process::ExitCode;

use clap::Parser;
use clap_complete::CompleteEnv;
use cli::Cli;
use onair_control::Client;

fn main() -> ExitCode {
    CompleteEnv::with_factory(names::completing)
        .var(command::completions::VARIABLE)
        .complete();
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(page) = topics::asked(&arguments) {
        // The reader may have seen enough: `onairctl help nic | head`.
        drop(output::text(&page));
        return failure::DONE.into();
    }
    let cli = Cli::parse_from(command::watch::joined(arguments));
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
    let client = Client::new(&cli.options.socket, cli.options.timeout);
    match runtime.block_on(cli.run(&client)) {
        Ok(code) => code.into(),
        Err(failure) => {
            let code = report::failure(&cli, &failure);
            if let Some(name) = runtime.block_on(names::meant(&cli, &client, &failure)) {
                eprintln!("Did you mean {name}?");
            }
            code.into()
        }
    }
}
