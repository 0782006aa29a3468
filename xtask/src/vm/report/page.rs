//! `docs/results/platforms.md`: what each kernel and each device gave, as tests/machine/platform.rs reports it.

use std::fmt::Write as _;

use super::stamp::Stamp;
use super::{Outcome, Row};

/// Begins a line of the report: `@platform|OF|WHAT|FOUND`.
const MARK: &str = "@platform|";
const HEAD: &str = "\
# Platforms

What OnAir does on each kernel and each PCI device, in virtual machines. `cargo xtask vm test --page
docs/results/platforms.md` wrote this page: run it again after a change, do not edit it. A run replaces the cells that it
tried and keeps the others, unless the kernel is another one. Each cell ends with the day and the commit of its run; a
cell without them is of a run before 2026-11-24, whose commit was not recorded. The devices are QEMU's models: the page
says what works, not how fast. A physical NIC was not tried.
";
const TESTS: &str = "Tests";

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    kernel: String,
    of: String,
    what: String,
    found: String,
}

impl Seen {
    /// The virtual machine of `kernel`.
    pub(crate) fn machine(kernel: &str, found: String) -> Self {
        Self {
            kernel: kernel.to_owned(),
            of: "machine".to_owned(),
            what: "virtual machine".to_owned(),
            found,
        }
    }
}

/// The lines for the page in the `output` of a test on `kernel`.
pub(crate) fn seen<'a>(kernel: &'a str, output: &'a str) -> impl Iterator<Item = Seen> + 'a {
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

/// The page `before`, with what was seen in the run of `stamp`.
pub(crate) fn page(before: &str, rows: &[Row], seen: &[Seen], stamp: &Stamp) -> String {
    let mut page = Page::read(before);
    for line in seen {
        let title = match line.of.as_str() {
            "kernel" => "Kernel features".to_owned(),
            "machine" => "Machine".to_owned(),
            driver => format!("Devices of the driver {driver}"),
        };
        page.put(&title, &line.what, &line.kernel, &stamp.on(&line.found));
    }
    for row in rows {
        if let Some(outcome) = outcome(row) {
            page.put(TESTS, &row.what, &row.kernel, &stamp.on(&outcome));
        }
    }
    page.to_string()
}

fn outcome(row: &Row) -> Option<String> {
    let (passed, failed) = row.tests;
    match row.outcome {
        Outcome::Passed if passed == 0 => Some("passed".to_owned()),
        Outcome::Passed => Some(format!("{passed} passed")),
        Outcome::Failed(_) => Some(format!("{failed} failed, {passed} passed")),
        Outcome::NotRun => None,
    }
}

/// One cell.
#[derive(Debug)]
struct Cell {
    title: String,
    row: String,
    kernel: String,
    text: String,
}

/// The cells, in the order in which they were first seen.
#[derive(Debug, Default)]
struct Page(Vec<Cell>);

impl Page {
    /// The tables of a page that was written before.
    fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut title = "";
        let mut kernels: Vec<&str> = Vec::new();
        for line in text.lines() {
            if let Some(found) = line.strip_prefix("## ") {
                title = found;
            }
            let Some(line) = line.strip_prefix("| ") else {
                continue;
            };
            let mut cells = line.trim_end_matches('|').split('|').map(str::trim);
            match cells.next() {
                Some("") => kernels = cells.collect(),
                Some(row) => {
                    for (kernel, text) in kernels.iter().zip(cells) {
                        page.put(title, row, kernel, text);
                    }
                }
                None => {}
            }
        }
        page.0.retain(|it| it.text != missing(&it.title));
        page
    }

    /// Sets a cell. Another kernel of the same distribution goes with all that was seen on it.
    fn put(&mut self, title: &str, row: &str, kernel: &str, text: &str) {
        let text = text.replace('|', "/");
        self.0
            .retain(|it| it.kernel == kernel || distribution(&it.kernel) != distribution(kernel));
        let is_it = |it: &&mut Cell| it.title == title && it.row == row && it.kernel == kernel;
        match self.0.iter_mut().find(is_it) {
            Some(cell) => cell.text = text,
            None => self.0.push(Cell {
                title: title.to_owned(),
                row: row.to_owned(),
                kernel: kernel.to_owned(),
                text,
            }),
        }
    }

    /// The titles, and last the one of the tests.
    fn titles(&self) -> Vec<&str> {
        let mut titles = unique(self.0.iter().map(|it| &it.title));
        titles.sort_by_key(|title| *title == TESTS);
        titles
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, page: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut kernels = unique(self.0.iter().map(|it| &it.kernel));
        kernels.sort_unstable();
        page.write_str(HEAD)?;
        for title in self.titles() {
            write!(page, "\n## {title}\n\n| |")?;
            for kernel in &kernels {
                write!(page, " {kernel} |")?;
            }
            write!(page, "\n|---|{}\n", "---|".repeat(kernels.len()))?;
            let cells = || self.0.iter().filter(|it| it.title == title);
            for row in unique(cells().map(|it| &it.row)) {
                write!(page, "| {row} |")?;
                for kernel in &kernels {
                    let is_it = |it: &&Cell| it.row == row && it.kernel == *kernel;
                    let cell = cells().find(is_it);
                    let text = cell.map_or_else(|| missing(title), |it| &it.text);
                    write!(page, " {text} |")?;
                }
                page.write_char('\n')?;
            }
        }
        Ok(())
    }
}

/// The name before the kernel's version.
fn distribution(kernel: &str) -> &str {
    kernel.split(' ').next().unwrap_or(kernel)
}

/// The text of a cell without a finding.
fn missing(title: &str) -> &'static str {
    match title {
        TESTS => "not run",
        _ => "not tried",
    }
}

/// Each value once, in the order of the first.
fn unique<'a>(values: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut known = Vec::new();
    for value in values {
        if !known.contains(&value.as_str()) {
            known.push(value.as_str());
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn row(kernel: &str, what: &str, outcome: Outcome) -> Row {
        Row {
            kernel: kernel.to_owned(),
            what: what.to_owned(),
            outcome,
            tests: (2, 1),
            time: Duration::ZERO,
        }
    }

    fn stamp() -> Stamp {
        Stamp {
            day: "2026-11-25".to_owned(),
            commit: "8253c97b".to_owned(),
        }
    }

    fn lines(kernel: &str) -> Vec<Seen> {
        let output = "noise\n@platform|kernel|probe|loaded\r\n@platform|e1000e|AF_XDP|yes | x\n";
        seen(kernel, output).collect()
    }

    #[track_caller]
    fn has(page: &str, part: &str) {
        assert!(page.contains(part), "{part} in {page}");
    }

    #[test]
    fn page_has_a_column_for_each_kernel_and_says_what_is_missing() {
        let rows = [
            row("old (6.1)", "gate", Outcome::Passed),
            row("new (6.12)", "gate", Outcome::Failed(1)),
            row("new (6.12)", "demo", Outcome::NotRun),
        ];
        let page = page("", &rows, &lines("old (6.1)"), &stamp());
        has(
            &page,
            "## Kernel features\n\n| | new (6.12) | old (6.1) |\n|---|---|---|\n| probe | not tried | loaded (2026-11-25, 8253c97b) |\n",
        );
        has(&page, "## Devices of the driver e1000e\n");
        has(
            &page,
            "## Tests\n\n| | new (6.12) | old (6.1) |\n|---|---|---|\n| gate | 1 failed, 2 passed (2026-11-25, 8253c97b) | 2 passed (2026-11-25, 8253c97b) |\n",
        );
        assert!(!page.contains("demo"), "{page}");
    }

    #[test]
    fn page_written_again_then_what_was_not_tried_keeps_its_stamp() {
        let first = page(
            "",
            &[row("old (6.1)", "gate", Outcome::Passed)],
            &lines("old (6.1)"),
            &stamp(),
        );
        assert_eq!(page(&first, &[], &[], &stamp()), first);
        let later = Stamp {
            day: "2026-11-26".to_owned(),
            commit: String::new(),
        };
        let second = page(
            &first,
            &[row("new (6.12)", "evict", Outcome::Passed)],
            &lines("new (6.12)"),
            &later,
        );
        has(
            &second,
            "| probe | loaded (2026-11-26, commit not known) | loaded (2026-11-25, 8253c97b) |\n",
        );
        has(&second, "| AF_XDP | yes / x (2026-11-26, ");
        has(
            &second,
            "| gate | not run | 2 passed (2026-11-25, 8253c97b) |\n\
             | evict | 2 passed (2026-11-26, commit not known) | not run |\n",
        );
        // Another kernel of a distribution: nothing of the one before counts for it.
        let third = page(
            &second,
            &[row("old (6.2)", "evict", Outcome::Failed(1))],
            &[Seen::machine("old (6.2)", "q35".to_owned())],
            &later,
        );
        assert!(!third.contains("old (6.1)"), "{third}");
        has(
            &third,
            "| probe | loaded (2026-11-26, commit not known) | not tried |\n",
        );
        has(
            &third,
            "## Machine\n\n| | new (6.12) | old (6.2) |\n|---|---|---|\n| virtual machine | not tried | q35 (2026-11-26, ",
        );
        has(&third, "| 1 failed, 2 passed (2026-11-26, ");
    }
}
