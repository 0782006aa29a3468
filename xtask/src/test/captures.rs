//! Tests that read captures of other people's equipment, where their folder is given. They are ignored otherwise: the
//! captures have other licences.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::cargo::{UNIT_TESTS, cargo, root};
use crate::say::Times;

/// Names the folder.
const VARIABLE: &str = "ONAIR_CAPTURES";
/// Their names have one of these.
const NAMES: [&str; 2] = ["of_other_equipment", "of_real_equipment"];

/// Runs them. Without a folder the summary says how many captures were not read; a folder that lacks some fails.
pub(super) fn run(times: &mut Times) -> Result<()> {
    let given = std::env::var_os(VARIABLE);
    if let Some(reason) = absent(given.as_deref()) {
        let count = expected()?;
        times.leave_out(format_args!(
            "{count} captures of other equipment, skipped: {reason}"
        ));
        return Ok(());
    }
    times.step("Captures of other equipment", || {
        cargo(
            &[
                &UNIT_TESTS[..],
                &["--no-fail-fast", "--", "--ignored"],
                &NAMES,
            ]
            .concat(),
        )
    })
}

/// Why there are none.
fn absent(given: Option<&OsStr>) -> Option<String> {
    match given {
        None => Some(format!("{VARIABLE} names no folder")),
        Some(path) if !Path::new(path).is_dir() => {
            Some(format!("{VARIABLE}: no folder {}", path.display()))
        }
        Some(_) => None,
    }
}

/// Files that the tests expect.
fn expected() -> Result<usize> {
    let table = root().join("userspace/media/essence/tests/captures/expected.json");
    let text = std::fs::read_to_string(table).context("the table of captures")?;
    let rows: Vec<Value> = serde_json::from_str(&text).context("the table of captures")?;
    let files: BTreeSet<_> = rows.iter().filter_map(|it| it["file"].as_str()).collect();
    Ok(files.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_without_a_folder_then_the_reason_and_their_count() {
        assert!(absent(None).is_some());
        assert!(
            absent(Some(OsStr::new("/no/folder"))).is_some_and(|it| it.ends_with("/no/folder"))
        );
        assert_eq!(absent(Some(root().as_os_str())), None);
        assert_eq!(expected().unwrap(), 7);
    }
}
