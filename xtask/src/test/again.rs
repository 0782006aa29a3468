//! Tests that fail beside other work: they run once more by themselves.

use std::process::Command;

use anyhow::{Result, bail, ensure};

use super::MODELS;
use crate::cargo::{UNIT_TESTS, root, streamed};
use crate::dist::done;
use crate::say;
use crate::say::Times;

/// The name of the test that failed, if this line of a test program says so.
pub(super) fn failed(line: &str) -> Option<&str> {
    Some(line.strip_prefix("test ")?.split_once(" ... FAILED")?.0)
}

/// Says which tests run once more.
pub(super) fn say_again(names: &[&str]) {
    say::warning(format_args!(
        "once more, by themselves: {}",
        names.join(", ")
    ));
}

/// Tells in the summary which tests passed only the second time.
pub(super) fn remark(times: &mut Times, names: &[String]) {
    for name in names {
        times.remark(format_args!(
            "{name} failed beside others, and passed by itself"
        ));
    }
}

/// Runs the unit tests. Returns the names of those that failed beside the others and passed by themselves.
///
/// # Errors
/// One fails by itself too, or one is not built, or ended without a word.
pub(super) fn unit_tests(filters: &[&str]) -> Result<Vec<String>> {
    let options = ["--no-fail-fast", "--", "--skip", MODELS];
    let failed = cargo_test(&[&options, filters].concat())?;
    if failed.is_empty() {
        return Ok(failed);
    }
    let names: Vec<_> = failed.iter().map(String::as_str).collect();
    say_again(&names);
    let alone = ["--no-fail-fast", "--", "--test-threads", "1", "--exact"];
    let still = cargo_test(&[&alone, &names[..]].concat())?;
    ensure!(still.is_empty(), "a unit test failed: {}", still.join(", "));
    Ok(failed)
}

/// Names of the unit tests that failed.
fn cargo_test(options: &[&str]) -> Result<Vec<String>> {
    let line = [&UNIT_TESTS[..], options].concat();
    say::command(format_args!("cargo {}", line.join(" ")));
    let mut names = Vec::new();
    let seed = property_seed();
    let prepare = |command: &mut Command| {
        command.args(&line).env("PROPTEST_RNG_SEED", &seed);
    };
    let status = streamed("cargo", prepare, |text| {
        println!("{text}");
        names.extend(failed(text).map(str::to_owned));
    })?;
    if status.success() == names.is_empty() {
        return Ok(names);
    }
    bail!("the unit tests ended with {status}; failed: {names:?}")
}

/// From where properties are tried: new cases for each change of the files, and the same ones wherever these are tested.
/// Without git always the same.
fn property_seed() -> String {
    let mut git = Command::new("git");
    git.args(["rev-parse", "HEAD^{tree}"]).current_dir(root());
    let tree = done(&mut git).unwrap_or_default();
    let digits = tree.get(..16).unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or(1).to_string()
}

#[cfg(test)]
mod tests {
    use super::failed;

    #[test]
    fn line_of_a_test_that_failed_then_its_name() {
        assert_eq!(failed("test a::b ... FAILED (1.2 s)"), Some("a::b"));
        let documented = "test src/lib.rs - a::B (line 3) ... FAILED";
        assert_eq!(failed(documented), Some("src/lib.rs - a::B (line 3)"));
        for other in [
            "test a::b ... ok",
            "test result: FAILED. 1 passed",
            "FAILED",
        ] {
            assert_eq!(failed(other), None);
        }
    }
}
