//! `cargo xtask pages`: the parts of the pages that follow from the code, and the lint of all pages.

use anyhow::{Result, bail};
use clap::CommandFactory as _;
use onair_pages::{Fault, command, generated, read};

use crate::cargo::{Manner, cargo_with, root};
use crate::say;

/// Crates and the tests that write pages.
const WRITERS: [&[&str]; 3] = [
    &["onaird", "--test", "daemon", "page_of_"],
    &["onairctl", "--bin", "onairctl", "page_of_"],
    &["onair-session", "--lib", "page_of_"],
];

/// Write the parts of the pages that follow from the code, and check all pages
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask pages")]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Result<()> {
    for tests in WRITERS {
        let line: Vec<_> = ["test", "--quiet", "--package"]
            .into_iter()
            .chain(tests.iter().copied())
            .collect();
        cargo_with(Manner::InFront, &line, &[(generated::VARIABLE, "1")])?;
    }
    check()
}

/// Checks every page.
///
/// # Errors
/// A page has a fault.
pub(crate) fn check() -> Result<()> {
    let found = faults()?;
    for fault in &found {
        say::failure(fault);
    }
    match found.len() {
        0 => Ok(()),
        count => bail!("{count} faults of the pages"),
    }
}

fn faults() -> Result<Vec<Fault>> {
    let mut found = onair_pages::faults(root())?;
    let pages = read(root())?;
    found.extend(command::faults(
        &pages,
        "cargo xtask",
        crate::Arguments::command(),
    ));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_then_no_fault() {
        let found = faults().unwrap();
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "\n{}", said.join("\n"));
    }
}
