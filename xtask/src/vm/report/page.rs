//! `docs/results/platforms.json`: what each kernel and each device gave, as tests/machine/platform.rs reports it.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Outcome, Row};
use crate::stamp::Stamp;

/// Begins a line of the report: `@platform|OF|WHAT|FOUND`.
const MARK: &str = "@platform|";
const ABOUT: &str = "What OnAir does on each kernel and each PCI device, in virtual machines. `cargo xtask vm test --results` wrote \
    this file: run it again after a change, do not edit it. A run replaces what it tried and keeps the rest, unless the \
    kernel is another one. Each finding ends with the day and the commit of its run; one without them is of a run before \
    2026-11-24, whose commit was not recorded. The devices are QEMU's models: they say what works, not how fast. A \
    physical NIC was not tried.";
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

/// The lines for the file in the `output` of a test on `kernel`.
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

/// The file `before`, with what was seen in the run of `stamp`.
///
/// # Errors
/// The file before is not one of these.
pub(crate) fn page(before: &str, rows: &[Row], seen: &[Seen], stamp: &Stamp) -> Result<String> {
    let mut page = Page::read(before)?;
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
    page.text()
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

/// What was found of one thing: a line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    of: String,
    what: String,
    /// By kernel; one without a finding was not tried.
    found: BTreeMap<String, String>,
}

/// The lines, in the order in which they were first seen.
#[derive(Debug, Default, Deserialize)]
struct Page {
    rows: Vec<Line>,
}

impl Page {
    /// A file that was written before; none yet if it is empty.
    fn read(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Sets a finding. Another kernel of the same distribution goes with all that was seen on it.
    fn put(&mut self, of: &str, what: &str, kernel: &str, text: &str) {
        for line in &mut self.rows {
            line.found
                .retain(|it, _| it == kernel || distribution(it) != distribution(kernel));
        }
        let is_it = |it: &&mut Line| it.of == of && it.what == what;
        let found = (kernel.to_owned(), text.to_owned());
        match self.rows.iter_mut().find(is_it) {
            Some(line) => line.found.extend([found]),
            None => self.rows.push(Line {
                of: of.to_owned(),
                what: what.to_owned(),
                found: [found].into(),
            }),
        }
    }

    /// One line each, by what they are of; the tests last.
    fn text(&self) -> Result<String> {
        let mut groups = unique(self.rows.iter().map(|it| &it.of));
        groups.sort_by_key(|of| *of == TESTS);
        let rows = groups.iter().flat_map(|of| {
            let rows = self.rows.iter();
            rows.filter(move |it| it.of == *of && !it.found.is_empty())
        });
        let rows = rows.map(serde_json::to_string);
        let rows = rows.collect::<Result<Vec<_>, _>>()?.join(",\n");
        let about = serde_json::to_string(ABOUT)?;
        Ok(format!("{{\"about\": {about},\n\"rows\": [\n{rows}\n]}}\n"))
    }
}

/// The name before the kernel's version.
fn distribution(kernel: &str) -> &str {
    kernel.split(' ').next().unwrap_or(kernel)
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

    fn found(page: &str, what: &str) -> Vec<(String, String)> {
        let page = Page::read(page).unwrap();
        let line = page.rows.into_iter().find(|it| it.what == what);
        line.map_or(Vec::new(), |it| it.found.into_iter().collect())
    }

    fn is(kernel: &str, text: &str) -> (String, String) {
        (kernel.to_owned(), text.to_owned())
    }

    #[test]
    fn page_has_a_line_for_each_thing_that_was_tried() {
        let rows = [
            row("old (6.1)", "gate", Outcome::Passed),
            row("new (6.12)", "gate", Outcome::Failed(1)),
            row("new (6.12)", "demo", Outcome::NotRun),
        ];
        let page = page("", &rows, &lines("old (6.1)"), &stamp()).unwrap();
        assert_eq!(
            found(&page, "probe"),
            [is("old (6.1)", "loaded (2026-11-25, 8253c97b)")]
        );
        assert!(page.contains("\"of\":\"Devices of the driver e1000e\""));
        let gate = [
            is("new (6.12)", "1 failed, 2 passed (2026-11-25, 8253c97b)"),
            is("old (6.1)", "2 passed (2026-11-25, 8253c97b)"),
        ];
        assert_eq!(found(&page, "gate"), gate);
        assert!(!page.contains("demo"), "{page}");
        let last = page.lines().rev().nth(1).unwrap();
        assert!(last.contains("\"of\":\"Tests\""), "{page}");
    }

    #[test]
    fn page_written_again_then_what_was_not_tried_keeps_its_stamp() {
        let first = page(
            "",
            &[row("old (6.1)", "gate", Outcome::Passed)],
            &lines("old (6.1)"),
            &stamp(),
        )
        .unwrap();
        assert_eq!(page(&first, &[], &[], &stamp()).unwrap(), first);
        let later = Stamp {
            day: "2026-11-26".to_owned(),
            commit: String::new(),
        };
        let second = page(
            &first,
            &[row("new (6.12)", "evict", Outcome::Passed)],
            &lines("new (6.12)"),
            &later,
        )
        .unwrap();
        let new = is("new (6.12)", "loaded (2026-11-26, commit not known)");
        let old = is("old (6.1)", "loaded (2026-11-25, 8253c97b)");
        assert_eq!(found(&second, "probe"), [new.clone(), old]);
        assert_eq!(
            found(&second, "gate"),
            [is("old (6.1)", "2 passed (2026-11-25, 8253c97b)")]
        );
        assert_eq!(
            found(&second, "evict"),
            [is("new (6.12)", "2 passed (2026-11-26, commit not known)")]
        );
        // Another kernel of a distribution: nothing of the one before counts for it.
        let third = page(
            &second,
            &[row("old (6.2)", "evict", Outcome::Failed(1))],
            &[Seen::machine("old (6.2)", "q35".to_owned())],
            &later,
        )
        .unwrap();
        assert!(!third.contains("old (6.1)"), "{third}");
        assert_eq!(found(&third, "probe"), [new]);
        assert_eq!(found(&third, "gate"), []);
        let machine = found(&third, "virtual machine");
        assert_eq!(
            machine,
            [is("old (6.2)", "q35 (2026-11-26, commit not known)")]
        );
    }

    #[test]
    fn page_that_is_another_file_then_an_error() {
        assert!(page("# Platforms\n", &[], &[], &stamp()).is_err());
    }
}
