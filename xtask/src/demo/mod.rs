//! `cargo xtask demo`: the whole story on real packets.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// Shows a session from its first packet to its certificate, on real packets between two ports
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write the report there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let _ = &arguments.json;
    bail!("the demo waits for the daemon")
}
