//! `docs/platforms.md`: what each kernel and each device gave, as tests/machine/platform.rs reports it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::report::{Outcome, Row};

/// Begins a line of the report: `@platform|OF|WHAT|FOUND`.
const MARK: &str = "@platform|";
const HEAD: &str = "\
# Platforms

What OnAir does on each kernel and each PCI device, as it was seen in virtual machines. `cargo xtask vm test --page
docs/platforms.md` wrote this page: run it again after a change, do not edit it. The devices are QEMU's models, the
processor was emulated: the page says what works, not how fast. A physical NIC was not tried.
";

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    kernel: String,
    of: String,
    what: String,
    found: String,
}

/// The lines for the page in the `output` of a test on `kernel`.
pub(super) fn seen<'a>(kernel: &'a str, output: &'a str) -> impl Iterator<Item = Seen> + 'a {
    output.lines().filter_map(move |line| {
        let mut parts = line.trim().strip_prefix(MARK)?.splitn(3, '|');
        let mut part = || parts.next().map(|part| part.trim().to_owned());
        Some(Seen {
            kernel: kernel.to_owned(),
            of: part()?,
            what: part()?,
            found: part()?,
        })
    })
}

/// The page.
pub(super) fn page(rows: &[Row], seen: &[Seen]) -> String {
    let mut kernels: Vec<&str> = Vec::new();
    for row in rows {
        if !kernels.contains(&row.kernel.as_str()) {
            kernels.push(&row.kernel);
        }
    }
    let found = |kernel: &str, of: &str, what: &str| {
        let is_it = |it: &&Seen| it.kernel == kernel && it.of == of && it.what == what;
        let line = seen.iter().find(is_it);
        line.map_or_else(|| "not tried".to_owned(), |line| line.found.clone())
    };
    let mut page = HEAD.to_owned();
    let mut subjects: Vec<&str> = Vec::new();
    for line in seen {
        if !subjects.contains(&line.of.as_str()) {
            subjects.push(&line.of);
        }
    }
    for of in subjects {
        let title = match of {
            "kernel" => "Kernel features".to_owned(),
            driver => format!("Devices of the driver {driver}"),
        };
        let what: Vec<_> = unique(
            seen.iter()
                .filter(|line| line.of == of)
                .map(|line| &line.what),
        );
        table(&mut page, &title, &kernels, &what, |kernel, what| {
            found(kernel, of, what)
        });
    }
    let tests: Vec<_> = unique(rows.iter().map(|row| &row.what));
    table(&mut page, "Tests", &kernels, &tests, |kernel, what| {
        let row = rows
            .iter()
            .find(|row| row.kernel == kernel && row.what == what);
        row.map_or_else(|| "not run".to_owned(), outcome)
    });
    page
}

/// Each value once, in the order of the first.
fn unique<'a>(values: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut known = BTreeSet::new();
    values
        .map(String::as_str)
        .filter(|value| known.insert(*value))
        .collect()
}

fn outcome(row: &Row) -> String {
    let (passed, failed) = row.tests;
    match row.outcome {
        Outcome::Passed if passed == 0 => "passed".to_owned(),
        Outcome::Passed => format!("{passed} passed"),
        Outcome::Failed(_) => format!("{failed} failed, {passed} passed"),
        Outcome::NotRun => "not run".to_owned(),
    }
}

fn table(
    page: &mut String,
    title: &str,
    kernels: &[&str],
    rows: &[&str],
    cell: impl Fn(&str, &str) -> String,
) {
    let _ = write!(page, "\n## {title}\n\n| |");
    for kernel in kernels {
        let _ = write!(page, " {kernel} |");
    }
    let _ = write!(page, "\n|---|{}\n", "---|".repeat(kernels.len()));
    for row in rows {
        let _ = write!(page, "| {row} |");
        for kernel in kernels {
            let _ = write!(page, " {} |", cell(kernel, row));
        }
        page.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn page_has_a_column_for_each_kernel_and_says_what_was_not_tried() {
        let row = |kernel: &str, outcome| Row {
            kernel: kernel.to_owned(),
            what: "gate".to_owned(),
            outcome,
            tests: (2, 1),
            time: Duration::ZERO,
        };
        let rows = [row("old", Outcome::Passed), row("new", Outcome::Failed(1))];
        let output = "noise\n@platform|kernel|probe|loaded\r\n@platform|e1000e|AF_XDP|yes | x\n";
        let lines: Vec<_> = seen("old", output).collect();
        assert_eq!(lines.len(), 2);
        let page = page(&rows, &lines);
        for part in [
            "## Kernel features\n\n| | old | new |\n|---|---|---|\n| probe | loaded | not tried |\n",
            "## Devices of the driver e1000e\n",
            "| gate | 2 passed | 1 failed, 2 passed |\n",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }
}
