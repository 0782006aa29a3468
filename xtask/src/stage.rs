//! `cargo xtask stage`: a stage to try things on by hand.

use std::io::Read as _;

use anyhow::Result;
use onair_stage::{Stage, Veth};

use crate::{clean_up, say};

/// Puts up a network namespace with a veth pair `va`–`vb`, until Ctrl-C or the end of stdin
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  cargo xtask stage --hugepages 256\n\nIts first line on stdout is the namespace's name."
)]
pub(crate) struct Arguments {
    /// See to it that so many MB of hugepages are free
    #[arg(long, value_name = "MB", default_value_t = 0)]
    hugepages: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let stage = Stage::open("hand")?;
    clean_up::report(stage.leftovers());
    stage.veth(&Veth::bare("va", "vb"))?;
    if !stage.hugepages(arguments.hugepages)? {
        say::warning("the kernel has not got so many hugepages in one piece");
    }
    println!("{}", stage.namespace());
    say::note(format_args!(
        "va–vb are up: ip -n {} link. Ctrl-C takes them down.",
        stage.namespace()
    ));
    std::io::stdin().read_to_end(&mut Vec::new())?;
    stage.take_down()
}
