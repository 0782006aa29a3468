//! `cargo xtask lint`: what a reviewer should not have to say.

use anyhow::Result;

use crate::cargo::{cargo, supervised};
use crate::say;

/// Formatting, clippy on everything, and cargo-deny and cargo-machete where they are installed
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask lint\n\nTo mend the formatting: cargo fmt --all")]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])?;
    // What the workspace is never built with.
    cargo(&[
        "clippy",
        "--package",
        "onair-ipc",
        "--package",
        "onair-victim",
        "--features",
        "labels",
        "--",
        "-D",
        "warnings",
    ])?;
    if installed("deny")? {
        cargo(&["deny", "check"])?;
    }
    if installed("machete")? {
        cargo(&["machete"])?;
    }
    say::good("nothing to mend");
    Ok(())
}

/// Whether there is a `cargo NAME`. They are not part of setup: each takes minutes to build.
fn installed(name: &str) -> Result<bool> {
    let there = supervised("cargo", |command| {
        command
            .args([name, "--version"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
    })?
    .status
    .success();
    if !there {
        say::note(format_args!(
            "cargo-{name} is not installed: left out (cargo install --locked cargo-{name})"
        ));
    }
    Ok(there)
}
