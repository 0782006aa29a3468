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
mod host;
mod html;
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
use onair_control::Client;

use cli::{Cli, Noun};
use failure::HostError;

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
    runtime.block_on(answered(&cli)).into()
}

/// Runs the command with the daemon of its host. Returns the exit code.
async fn answered(cli: &Cli) -> u8 {
    let options = &cli.options;
    let result = match (&options.host, cli.of_its_machine()) {
        (Some(host), Some(command)) => Err(HostError::OwnMachine {
            command,
            host: host.clone(),
        }
        .into()),
        (Some(host), None) if !matches!(cli.noun, Noun::Completions(_)) => {
            host::run(host, options, async |client| told(cli, client).await).await
        }
        _ => Ok(told(cli, &Client::new(&options.socket, options.timeout)).await),
    };
    result.unwrap_or_else(|failure| report::failure(cli, &failure))
}

/// Runs the command, and tells its failure. Returns the exit code.
async fn told(cli: &Cli, client: &Client) -> u8 {
    match cli.run(client).await {
        Ok(code) => code,
        Err(failure) => {
            let code = report::failure(cli, &failure);
            if let Some(name) = names::meant(cli, client, &failure).await {
                eprintln!("Did you mean {name}?");
            }
            code
        }
    }
}
