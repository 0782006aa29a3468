//! The table of `cargo xtask vm test`: kernel × what × result.

pub(super) mod page;

use std::fmt::Write as _;
use std::time::Duration;

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// With this exit status.
    Failed(u8),
    /// The machine did not come so far.
    NotRun,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) kernel: String,
    pub(crate) what: String,
    pub(crate) outcome: Outcome,
    /// Tests that passed, and that failed; both 0 for what is no test program.
    pub(crate) tests: (usize, usize),
    pub(crate) time: Duration,
}

/// Tests in the output of a test program that passed, and that failed.
pub(crate) fn count(output: &str) -> (usize, usize) {
    // Lines of single tests are torn apart by what else writes to the console.
    let results = output
        .lines()
        .filter(|line| line.starts_with("test result: "));
    let number = |line: &str, of: &str| -> usize {
        let before = line
            .split(of)
            .next()
            .filter(|before| before.len() < line.len());
        let word = before.and_then(|before| before.split_whitespace().last());
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    results.fold((0, 0), |(passed, failed), line| {
        (
            passed + number(line, " passed;"),
            failed + number(line, " failed;"),
        )
    })
}

/// The table in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text =
        "| kernel | what | result | tests passed | seconds |\n|---|---|---|---|---|\n".to_owned();
    for row in rows {
        let result = match row.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(124 | 137) => "failed: out of time".to_owned(),
            Outcome::Failed(status) => format!("failed: exit status {status}"),
            Outcome::NotRun => "not run".to_owned(),
        };
        let (passed, failed) = row.tests;
        let tests = match passed + failed {
            0 => "–".to_owned(),
            all => format!("{passed} of {all}"),
        };
        let seconds = row.time.as_secs();
        let (kernel, what) = (&row.kernel, &row.what);
        writeln!(
            text,
            "| {kernel} | {what} | {result} | {tests} | {seconds} |"
        )
        .expect("a string takes what is written");
    }
    text
}

/// Whether each line is a pass. An empty table proves nothing.
pub(crate) fn all_passed(rows: &[Row]) -> bool {
    !rows.is_empty() && rows.iter().all(|row| row.outcome == Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Outcome, tests: (usize, usize)) -> Row {
        Row {
            kernel: "debian12 (6.1.0)".to_owned(),
            what: "gate".to_owned(),
            outcome,
            tests,
            time: Duration::from_millis(12_900),
        }
    }

    #[test]
    fn table_has_a_line_for_each_outcome() {
        let rows = [
            row(Outcome::Passed, (3, 0)),
            row(Outcome::Failed(101), (2, 1)),
            row(Outcome::Failed(124), (0, 0)),
            row(Outcome::NotRun, (0, 0)),
        ];
        let table = table(&rows);
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "| debian12 (6.1.0) | gate | passed | 3 of 3 | 12 |",
                "| debian12 (6.1.0) | gate | failed: exit status 101 | 2 of 3 | 12 |",
                "| debian12 (6.1.0) | gate | failed: out of time | – | 12 |",
                "| debian12 (6.1.0) | gate | not run | – | 12 |",
            ]
        );
    }

    #[test]
    fn only_passes_pass() {
        assert!(all_passed(&[row(Outcome::Passed, (3, 0))]));
        assert!(!all_passed(&[]));
        for other in [Outcome::Failed(1), Outcome::NotRun] {
            assert!(!all_passed(&[
                row(Outcome::Passed, (3, 0)),
                row(other, (0, 0))
            ]));
        }
    }

    #[test]
    fn results_of_a_test_program_are_counted() {
        let output = "running 3 tests\ntest a ... [device] noise\nok\n\ntest result: FAILED. 2 passed; 1 failed; 0 ignored\n";
        assert_eq!(count(output), (2, 1));
        assert_eq!(count("no tests"), (0, 0));
    }
}
