//! `cargo xtask setup | demo | test | sim | plant | lint | pages | mutants | bench | stage | clean-up | vm | dist | older`: a file or folder a command.
//!
//! What only the commands share lives here too ([`cargo`], [`say`]); what they put up on the
//! machine is `onair-stage`. Of the product only `onair-api` and `onair-certificate` are linked, so
//! that this builds before the packages that the rest of the product needs are installed.
#![forbid(unsafe_code)]

mod bench;
mod cargo;
mod clean_up;
mod demo;
mod deny;
mod dist;
mod lint;
mod mutants;
mod pages;
mod python;
mod release_check;
mod say;
mod setup;
mod sim;
mod stage;
mod stamp;
mod test;
mod vm;
mod weight;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, shows, tests and measures OnAir.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask demo                       the whole story in under a minute, with real packets
  cargo xtask test                       lint, unit tests, model checks, whole-system tests
  cargo xtask test --fast gate           what has `gate` in its name, and no model checks
  cargo xtask setup --for test --check   which packages are missing
  cargo xtask vm test                    the demo and some tests on Debian 12's kernel, in QEMU
  cargo xtask dist                       a Debian package
  cargo xtask bench --json bench.json    the figures, each beside its reference

Exit status: 0 when all was as it should be, 1 when not, 2 for a wrong command line.";

#[derive(Subcommand)]
enum Command {
    Setup(setup::Arguments),
    Demo(demo::Arguments),
    Test(test::Arguments),
    Sim(sim::Arguments),
    Plant(test::plant::Arguments),
    Lint(lint::Arguments),
    Pages(pages::Arguments),
    Mutants(mutants::Arguments),
    Bench(bench::Arguments),
    Stage(stage::Arguments),
    CleanUp(clean_up::Arguments),
    Vm(vm::Arguments),
    Dist(dist::Arguments),
}

fn main() -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    let done = match Arguments::parse().command {
        Command::Setup(arguments) => setup::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Plant(arguments) => test::plant::run(&arguments),
        Command::Lint(arguments) => lint::run(&arguments),
        Command::Pages(arguments) => pages::run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Stage(arguments) => stage::run(&arguments),
        Command::CleanUp(arguments) => clean_up::run(&arguments),
        Command::Dist(arguments) => dist::run(&arguments).and_then(|made| match &arguments.check {
            Some(steps) => release_check::run(&made, steps),
            None => Ok(()),
        }),
        Command::Vm(arguments) => vm::run(&arguments).map(|own| status = own),
    };
    match done {
        Ok(()) => status,
        Err(error) => {
            say::failure(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
