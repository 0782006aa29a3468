//! The daemon's parts of `docs/reference.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use nix::errno::Errno;
use onair_api::operations::{Access, entries};
use onair_api::{CounterMetric, EventName, ProblemCode, SessionCounters};
use onair_ipc::message::PROTOCOL_MISMATCH;
use onair_pages::{generated, root};
use onaird::shutdown::Exit;

const PAGE: &str = "docs/reference.md";

/// Lines in columns, as a block of code: a table of Markdown has a word for each border.
fn block<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let mut block = "```text\n".to_owned();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:width$}  ");
        }
        block += line.trim_end();
        block.push('\n');
    }
    block + "```\n"
}

fn check(part: &str, text: &str) {
    if let Err(stale) = generated::part(PAGE, part, text) {
        panic!("{stale}");
    }
}

#[test]
fn page_of_reference_then_its_operations_are_those_of_the_api() {
    let rows: Vec<_> = entries()
        .map(|entry| {
            let right = match entry.access {
                Access::Everyone => "everyone".to_owned(),
                Access::ThisSession(right) | Access::AnySession(right) => right.to_string(),
            };
            [entry.method.to_string(), entry.path.to_owned(), right]
        })
        .collect();
    check("operations", &block(&rows));
}

#[test]
fn page_of_reference_then_its_errors_are_those_of_the_api() {
    let row = |code: String, status: String| {
        let error = onair::Error::Refused {
            code: code.clone(),
            message: String::new(),
        };
        let errno = format!("{:?}", Errno::from_raw(error.errno()));
        [code, status, errno]
    };
    let codes = ProblemCode::ALL.iter();
    let mut rows: Vec<_> = codes
        .map(|code| row(code.to_string(), code.status().to_string()))
        .collect();
    rows.push(row(PROTOCOL_MISMATCH.to_owned(), "none".to_owned()));
    check("errors", &block(&rows));
}

#[test]
fn page_of_reference_then_its_events_are_those_of_the_api() {
    let rows: Vec<_> = EventName::ALL.iter().map(|it| [it.to_string()]).collect();
    check("events", &block(&rows));
}

/// Metrics with their help: each name is a literal, and the next one is its help; those of a session's counters are
/// declared with these.
fn metrics() -> BTreeMap<String, String> {
    let mut metrics = BTreeMap::new();
    for file in [
        "engine/src/report/mod.rs",
        "engine/src/report/metrics.rs",
        "engine/src/report/clock_metrics.rs",
        "engine/src/report/service_metrics.rs",
        "engine/src/session/report/metrics.rs",
        "engine/src/session/report/view.rs",
    ] {
        let path = root().join("userspace/daemon").join(file);
        let source = fs::read_to_string(path).unwrap();
        let mut rest = source.split("#[cfg(test)]").next().unwrap();
        while let Some((_, from)) = rest.split_once("\"onair_") {
            let (name, after) = from.split_once('"').unwrap();
            let help = after.split('"').nth(1).unwrap();
            let help = help.replace('\\', "");
            let words: Vec<_> = help.split_whitespace().collect();
            metrics.insert(format!("onair_{name}"), words.join(" "));
            rest = after;
        }
    }
    for counter in SessionCounters::ALL {
        if let CounterMetric::Total(name) = counter.metric {
            let words: Vec<_> = counter.help.split_whitespace().collect();
            metrics.insert(name.to_owned(), words.join(" "));
        }
    }
    metrics
}

#[test]
fn page_of_reference_then_its_metrics_are_those_of_the_daemon() {
    let metrics = metrics();
    for (name, help) in &metrics {
        assert!(help.ends_with('.'), "{name}: {help}");
    }
    let rows: Vec<_> = metrics
        .into_iter()
        .map(|(name, help)| [name, help])
        .collect();
    check("metrics", &block(&rows));
}

#[test]
fn page_of_reference_then_its_statuses_are_those_of_the_daemon() {
    let row = |exit: Exit| [exit.status().to_string(), exit.meaning().to_owned()];
    check("statuses of onaird", &block(&Exit::ALL.map(row)));
}
