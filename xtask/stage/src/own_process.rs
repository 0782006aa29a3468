//! Tests that need a process of their own: what they start can be started once in a process.

use std::env;
use std::process::Command;
use std::thread;

/// Set in a process that runs one test only.
const VARIABLE: &str = "ONAIR_TEST_OWN_PROCESS";
/// What a test program says in the end if it has run one test, which passed.
const PASSED: &str = "test result: ok. 1 passed;";

/// Has the rest of the test that it stands in run in a process of its own.
#[macro_export]
macro_rules! in_own_process {
    () => {
        if !$crate::is_own_process() {
            return $crate::in_own_process();
        }
    };
}

/// Whether this process runs one test only.
#[must_use]
pub fn is_own_process() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// What runs the calling test in another process. It must be called by the test's own thread.
///
/// # Panics
/// Called by another one, or the test's program is gone.
#[must_use]
pub fn this_test() -> Command {
    let thread = thread::current();
    named(thread.name().expect("a test's thread has its name"))
}

fn named(test: &str) -> Command {
    let program = env::current_exe().expect("the program of the test is there");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture", "--quiet"]);
    command
}

/// Runs the calling test in a process of its own: see [`in_own_process!`](crate::in_own_process!). What it says is
/// shown if it fails, as a test's output is.
///
/// # Panics
/// The test fails there, or does not run.
#[track_caller]
pub fn in_own_process() {
    passes(this_test());
}

#[track_caller]
fn passes(mut test: Command) {
    let done = test.env(VARIABLE, "1").output();
    let done = done.unwrap_or_else(|error| panic!("starting {test:?}: {error}"));
    let said = String::from_utf8_lossy(&done.stdout);
    print!("{said}");
    eprint!("{}", String::from_utf8_lossy(&done.stderr));
    assert!(
        done.status.success() && said.contains(PASSED),
        "in a process of its own ({test:?}) the test does not pass: {}",
        done.status
    );
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn test_in_a_process_of_its_own_fails_then_here_too() {
        assert!(!is_own_process(), "on purpose");
        let failed = catch_unwind(in_own_process).unwrap_err();
        let text = failed.downcast_ref::<String>().unwrap();
        assert!(text.contains("status: 101"), "{text}");
    }

    #[test]
    fn test_that_is_not_found_does_not_pass() {
        let (thread, told) = (thread::current(), "own_process::tests::no_such_test");
        assert!(catch_unwind(|| passes(named(told))).is_err());
        // Part of a name is none.
        let part = thread.name().unwrap().trim_end_matches("_pass");
        assert!(catch_unwind(|| passes(named(part))).is_err());
    }
}
