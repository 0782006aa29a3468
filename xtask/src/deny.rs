//! cargo-deny with deny.toml: licences, doubles and sources of the crates of others, and what is known against them.

use std::env;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::cargo::{Manner, cargo_with, supervised_as, target};
use crate::say;

/// The version that deny.toml is written for.
const VERSION: &str = "0.20.2";

/// Where [`install`] puts it.
fn tools() -> PathBuf {
    target().join("tools")
}

/// Builds cargo-deny into `target/tools`, unless there is one.
///
/// # Errors
/// The build fails.
pub(crate) fn install(manner: Manner) -> Result<()> {
    if is_installed()? {
        return Ok(());
    }
    let tools = tools();
    let tools = tools.to_str().context("a path in UTF-8")?;
    let line = ["install", "--locked", "--debug", "--root", tools];
    let line = [&line[..], &["cargo-deny", "--version", VERSION]].concat();
    // Without what only a debugger reads.
    cargo_with(manner, &line, &[("CARGO_PROFILE_DEV_DEBUG", "0")])
}

/// Whether there is a cargo-deny, in `target/tools` or the user's own.
pub(crate) fn is_installed() -> Result<bool> {
    Ok(deny(Manner::InFront, &["--version"], false)?.success())
}

/// Checks the crates. If the database of what is known against them cannot be fetched, a warning says so.
///
/// # Errors
/// A crate is refused, or cargo-deny is not installed.
pub(crate) fn check(manner: Manner) -> Result<()> {
    let check = |which: &[&str]| {
        let line = [&["check"], which].concat();
        let status = deny(manner, &line, true)?;
        ensure!(
            status.success(),
            "cargo-deny refuses a crate ({status}): see above"
        );
        Ok(())
    };
    check(&["bans", "licenses", "sources"])?;
    if deny(manner, &["fetch", "db"], false)?.success() {
        check(&["--disable-fetch", "advisories"])
    } else {
        say::warning("known faults of crates were not checked: no advisory database here");
        Ok(())
    }
}

fn deny(manner: Manner, line: &[&str], is_shown: bool) -> Result<ExitStatus> {
    let own = env::var_os("PATH").unwrap_or_default();
    let path = [tools().join("bin")]
        .into_iter()
        .chain(env::split_paths(&own));
    let path = env::join_paths(path)?;
    if is_shown {
        say::command(format_args!("cargo deny {}", line.join(" ")));
    }
    let done = supervised_as(manner, "cargo", |command| {
        command.arg("deny").args(line).env("PATH", path);
        if !is_shown {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
    })?;
    Ok(done.status)
}
