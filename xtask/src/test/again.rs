//! Tests that fail: they run once more by themselves.

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

/// Has the tests that `failed` run once more by `run`, which returns the names of those that fail. Returns their names.
///
/// # Errors
/// One fails again, or `run` fails.
pub(super) fn once_more(
    failed: Vec<String>,
    run: impl FnOnce(&[&str]) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    if failed.is_empty() {
        return Ok(failed);
    }
    let names: Vec<_> = failed.iter().map(String::as_str).collect();
    let listed = names.join(", ");
    say::warning(format_args!("once more, by themselves: {listed}"));
    let still = run(&names)?;
    ensure!(still.is_empty(), "failed twice: {}", still.join(", "));
    Ok(failed)
}

/// Tells in the summary which tests passed only the second time.
pub(super) fn remark(times: &mut Times, names: &[String]) {
    for name in names {
        times.remark(format_args!(
            "{name} failed, and passed once more by itself"
        ));
    }
}

/// Runs the unit tests. Returns the names of those that passed only the second time, by themselves.
///
/// # Errors
/// One fails by itself too, or one is not built, or ended without a word.
pub(super) fn unit_tests(filters: &[&str]) -> Result<Vec<String>> {
    let options = ["--no-fail-fast", "--", "--skip", MODELS];
    let failed = cargo_test(&[&options, filters].concat())?;
    let alone = ["--no-fail-fast", "--", "--test-threads", "1", "--exact"];
    once_more(failed, |names| cargo_test(&[&alone, names].concat()))
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
    use super::{failed, once_more};

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
    #[test]
    fn failed_once_then_named_and_twice_then_an_error() {
        let tests = || vec!["a::b".to_owned(), "c::d".to_owned()];
        let none = once_more(Vec::new(), |_| unreachable!("none failed"));
        assert!(none.unwrap().is_empty());
        let passes = once_more(tests(), |names| {
            assert_eq!(names, ["a::b", "c::d"]);
            Ok(Vec::new())
        });
        assert_eq!(passes.unwrap(), tests());
        let fails = once_more(tests(), |names| Ok(vec![names[1].to_owned()]));
        assert_eq!(fails.unwrap_err().to_string(), "failed twice: c::d");
    }
}
