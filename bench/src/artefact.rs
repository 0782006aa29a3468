//! `docs/results/bench.json`: a result with one line a row, and the stamp of its run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::Number;

use crate::property::PROPERTIES;
use crate::result::cause;
use crate::result::document::{Document, number};
use crate::result::machine::Machine;
use crate::result::row::Row;

/// Writes a result with one line a row, for readers: figures of three digits, targets, causes
#[derive(clap::Args)]
#[command(after_help = "\
The file is replaced as a whole. It names the commit, the date, the machine and the kernel of the run.

Example:
  cargo xtask bench --json bench.json && cargo xtask bench rows bench.json docs/results/bench.json")]
pub(crate) struct Rows {
    /// A result, as `--json` wrote it
    result: PathBuf,
    /// The file
    file: PathBuf,
}

impl Rows {
    pub(crate) fn run(&self) -> Result<()> {
        let text = text(&Document::read(&self.result)?)?;
        std::fs::write(&self.file, text).with_context(|| format!("writing {}", self.file.display()))
    }
}

/// A row as it stands in the file.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    row: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    target: &'a str,
    /// The median.
    value: Option<Number>,
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    met: Option<bool>,
    /// Why the target was missed, if somebody found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    beside: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    its_value: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    its_p99: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift_percent: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_9: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_99: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Number>,
    samples: usize,
    /// Load of the machine when the row was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    load: Option<Number>,
}

impl<'a> From<&'a Row> for Line<'a> {
    fn from(row: &'a Row) -> Self {
        let detail = &row.detail;
        Self {
            id: &row.id,
            row: &row.variant,
            target: &row.target,
            value: short(row.value),
            unit: &row.unit,
            met: row.met,
            cause: cause::of(row),
            note: &detail.note,
            beside: &row.reference_name,
            its_value: short(row.reference),
            its_p99: short(detail.reference_p99),
            ratio: short(row.ratio),
            drift_percent: detail
                .noise
                .and_then(|noise| format!("{:.0}", 100.0 * noise).parse().ok()),
            p99: short(row.p99),
            p99_9: short(detail.p99_9),
            p99_99: short(detail.p99_99),
            max: short(row.max),
            samples: row.samples,
            load: short(detail.load),
        }
    }
}

/// The digits that the table on the terminal has, too.
fn short(value: Option<f64>) -> Option<Number> {
    value.and_then(|value| number(Some(value)).parse().ok())
}

#[derive(Serialize)]
struct Stamp<'a> {
    commit: &'a str,
    #[serde(flatten)]
    machine: BTreeMap<String, serde_json::Value>,
}

fn text(document: &Document) -> Result<String> {
    ensure!(!document.results.is_empty(), "the result has no rows");
    let stamp = serde_json::to_string(&stamp(&document.machine)?)?;
    let titles = PROPERTIES.iter().map(|it| {
        let title = serde_json::to_string(it.title);
        title.map(|title| format!("\"{}\": {title}", it.id))
    });
    let rows = document.results.iter();
    let rows = rows.map(|row| serde_json::to_string(&Line::from(row)));
    Ok(format!(
        "{{\"run\": {stamp},\n\"properties\": {{\n{}\n}},\n\"rows\": [\n{}\n]}}\n",
        titles.collect::<Result<Vec<_>, _>>()?.join(",\n"),
        rows.collect::<Result<Vec<_>, _>>()?.join(",\n"),
    ))
}

fn stamp(machine: &Machine) -> Result<Stamp<'_>> {
    let mut fields: BTreeMap<String, serde_json::Value> =
        serde_json::from_value(serde_json::to_value(machine)?)?;
    fields.remove("commit");
    Ok(Stamp {
        commit: match machine.commit.as_str() {
            "" => "not recorded",
            commit => commit,
        },
        machine: fields,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::result::samples::Samples;

    fn rows() -> Vec<Row> {
        let ours: Samples = [12.04, 12.04, 12.04].into_iter().collect();
        vec![
            Row::of("P1", "N = 64", "µs", &ours)
                .limit("FUTEX_WAKE", 10.0)
                .ratio_at_most(1.1),
            Row::absent("P10", "not built"),
        ]
    }

    #[test]
    fn file_has_the_stamp_and_a_line_for_each_row_with_its_cause() {
        let machine = Machine {
            at: "2026-11-25T04:00:00Z".into(),
            commit: "8253c97b".into(),
            kernel: "6.18.1".into(),
            processor: "EPYC".into(),
            cores: 2,
            quick: true,
            ..Machine::default()
        };
        let text = text(&Document::new(machine, rows())).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        for (key, value) in [
            ("commit", "8253c97b"),
            ("at", "2026-11-25T04:00:00Z"),
            ("kernel", "6.18.1"),
            ("processor", "EPYC"),
        ] {
            assert_eq!(json["run"][key], value);
        }
        assert_eq!(json["run"]["quick"], true);
        assert_eq!(
            json["properties"]["P1"],
            "stop → the last of N blocked callers has returned"
        );
        let row = &json["rows"][0];
        assert_eq!(row["value"], 12.0, "three digits");
        assert_eq!(row["target"], "≤ 1.1 ×");
        assert_eq!(row["met"], false);
        assert_eq!(row["cause"], cause::of(&rows()[0]).unwrap());
        assert_eq!(json["rows"][1]["row"], "absent: not built");
        assert!(json["rows"][1].get("met").is_none());
        let lines = text.lines().filter(|line| line.starts_with("{\"id\":"));
        assert_eq!(lines.count(), 2, "{text}");
    }

    #[test]
    fn file_without_a_commit_says_so_and_without_rows_is_refused() {
        let known = text(&Document::new(Machine::default(), rows())).unwrap();
        assert!(known.contains("\"commit\":\"not recorded\""), "{known}");
        assert!(text(&Document::default()).is_err());
    }
}
