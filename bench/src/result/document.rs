//! The result as a file for programs.

use std::path::Path;

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde::{Deserialize, Serialize};

use crate::result::machine::Machine;
use crate::result::row::{Detail, Row};

/// The figures that show what a row is, from left to right.
const COLUMNS: [&str; 16] = [
    "variant", "unit", "p50", "p99", "p99.9", "p99.99", "max", "samples", "beside", "its p50",
    "its p99", "ratio", "±", "load", "target", "met",
];

/// `machine` and `results`; `details` has what else is known of each result, in the same order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) machine: Machine,
    pub(crate) results: Vec<Row>,
    #[serde(default)]
    details: Vec<Detail>,
}

impl Document {
    pub(crate) fn new(machine: Machine, results: Vec<Row>) -> Self {
        let details = results.iter().map(|row| row.detail.clone()).collect();
        Self {
            machine,
            results,
            details,
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is no result of the bench", path.display()))
    }

    fn parse(text: &[u8]) -> Result<Self> {
        let mut document: Self = serde_json::from_slice(text)?;
        let details = document.details.iter().cloned();
        for (row, detail) in document.results.iter_mut().zip(details) {
            row.detail = detail;
        }
        Ok(document)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }
}

/// The rows as a table.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(std::iter::once("id").chain(COLUMNS));
    for row in rows {
        table.add_row(std::iter::once(row.id.clone()).chain(cells(row)));
    }
    for figure in (3..9).chain(10..15) {
        let column = table.column_mut(figure).expect("each row has all columns");
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What stands below [`COLUMNS`].
fn cells(row: &Row) -> [String; COLUMNS.len()] {
    let met = match row.met {
        Some(true) => "yes",
        Some(false) => "no",
        None => "–",
    };
    let noise = row.detail.noise.map(|noise| 100.0 * noise);
    [
        row.variant.clone(),
        row.unit.clone(),
        number(row.p50),
        number(row.p99),
        number(row.detail.p99_9),
        number(row.detail.p99_99),
        number(row.max),
        row.samples.to_string(),
        row.reference_name.clone(),
        number(row.reference),
        number(row.detail.reference_p99),
        number(row.ratio),
        noise.map_or("–".into(), |percent| format!("{percent:.0} %")),
        number(row.detail.load),
        row.target.clone(),
        met.into(),
    ]
}

/// Three figures that matter; a dash for what is not there.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(0.0) => "0".into(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 0.1 => format!("{value:.2}"),
        Some(value) => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::samples::Samples;

    #[test]
    fn document_written_and_read_then_the_same_with_its_details() {
        let ours: Samples = (1..=20).map(f64::from).collect();
        let rows = vec![
            Row::of("P1", "N = 1", "µs", &ours)
                .limit("requirement", 10.0)
                .pinned("core 0")
                .ratio_at_most(1.0),
            Row::absent("P19", "not built"),
        ];
        let document = Document::new(Machine::default(), rows);
        let text = serde_json::to_vec(&document).unwrap();
        assert_eq!(Document::parse(&text).unwrap(), document);
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let mut keys: Vec<_> = json.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["details", "machine", "results"]);
        assert_eq!(json["results"][1]["met"], serde_json::Value::Null);
        for key in ["processor", "cores", "kernel", "mhz", "noise"] {
            assert!(json["machine"].get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn document_without_details_is_read_and_of_another_kind_refused() {
        let mut json = serde_json::to_value(Document::default()).unwrap();
        json.as_object_mut().unwrap().remove("details");
        assert!(Document::parse(json.to_string().as_bytes()).is_ok());
        assert!(Document::parse(b"{\"rows\": []}").is_err());
    }
}
