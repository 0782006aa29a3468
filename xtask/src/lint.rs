//! `cargo xtask lint`: what a reviewer should not have to say.

use std::process::Stdio;

use anyhow::{Result, bail, ensure};

use crate::cargo::{Manner, cargo, cargo_with, supervised};
use crate::{deny, pages, say};

/// Check formatting, clippy, the pages, the crates of others, and unused ones where cargo-machete is installed
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask lint\n\nTo mend the formatting: cargo fmt --all")]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    own()?;
    if deny::is_installed()? {
        deny::check(Manner::InFront)?;
    } else {
        say::note(
            "cargo-deny is not installed: left out (`cargo xtask setup --for test` builds it)",
        );
    }
    Ok(())
}

/// All but the crates of others, for which cargo-deny is built for minutes.
pub(crate) fn own() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    pages::check()?;
    clippy("--workspace --all-targets")?;
    // With the whole-system tests, which have `test = false`.
    clippy("--workspace --test *")?;
    // What the workspace is never built with.
    clippy("--package onair-ipc --package onair-victim --features labels")?;
    refuse_in_client_library(&["sha2", "tokio", "utoipa"])?;
    // A link of its documentation leads nowhere.
    let documented = ["doc", "--package", "onair", "--no-deps"];
    cargo_with(
        Manner::InFront,
        &documented,
        &[("RUSTDOCFLAGS", "-D warnings")],
    )?;
    if installed("machete")? {
        cargo(&["machete"])?;
    }
    say::good("nothing to mend");
    Ok(())
}

fn clippy(what: &str) -> Result<()> {
    let line = format!("clippy {what} -- -D warnings");
    cargo(&line.split(' ').collect::<Vec<_>>())
}

/// Applications link the client library: it does not bring them what only the daemon needs.
fn refuse_in_client_library(unwanted: &[&str]) -> Result<()> {
    let tree = supervised("cargo", |command| {
        let line = "tree --package onair --edges normal --prefix none --format {lib}";
        command.args(line.split(' ')).stdout(Stdio::piped());
    })?;
    ensure!(
        tree.status.success(),
        "`cargo tree` failed ({})",
        tree.status
    );
    for library in String::from_utf8_lossy(&tree.stdout).lines() {
        if unwanted.contains(&library) {
            bail!(
                "the client library depends on {library}: see `cargo tree --package onair --invert {library}`"
            );
        }
    }
    Ok(())
}

/// Whether there is a `cargo NAME`. They are not part of setup: each takes minutes to build.
fn installed(name: &str) -> Result<bool> {
    let there = supervised("cargo", |command| {
        command
            .args([name, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
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
