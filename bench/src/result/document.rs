//! The result as a file for programs.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::result::machine::Machine;
use crate::result::row::{Detail, Row};

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
