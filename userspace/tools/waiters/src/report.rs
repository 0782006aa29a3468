//! The list, for people and for programs.

use std::fmt::Write as _;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::row::Row;

/// One listing.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    /// Time of the list, RFC 3339, UTC.
    pub(crate) at: String,
    /// Whether the tool's own probe contributed.
    pub(crate) probe: bool,
    /// Inspected processes.
    pub(crate) processes: usize,
    /// Blocked callers, by pid and tid.
    pub(crate) waiters: Vec<Row>,
    /// Parts that the list lacks, with the reasons.
    pub(crate) missing: Vec<String>,
}

impl Listing {
    /// The list as text for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let (count, processes) = (self.waiters.len(), self.processes);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}  {count} blocked in {processes} processes",
            self.at
        );
        if !self.waiters.is_empty() {
            let _ = writeln!(text, "{}", self.table());
        }
        text
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_header([
            "pid",
            "tid",
            "command",
            "thread",
            "session",
            "attachment",
            "blocked",
            "since (UTC)",
            "source",
        ]);
        for row in &self.waiters {
            let unknown = || "-".to_owned();
            table.add_row([
                row.pid.to_string(),
                row.tid.to_string(),
                row.command.clone(),
                row.thread.clone(),
                row.session.clone().unwrap_or_else(unknown),
                row.attachment
                    .map_or_else(unknown, |attachment| attachment.to_string()),
                row.blocked_seconds.map_or_else(unknown, duration),
                row.since.clone().unwrap_or_else(unknown),
                row.source.name().to_owned(),
            ]);
        }
        for column in [0, 1, 5, 6] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}

/// Seconds with useful precision.
fn duration(seconds: f64) -> String {
    match seconds {
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 120.0 => format!("{seconds:.1} s"),
        _ if seconds < 7200.0 => format!("{:.0} min", (seconds / 60.0).floor()),
        _ => format!("{:.0} h", (seconds / 3600.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_by_size_then_readable() {
        for (seconds, text) in [
            (0.0123, "12 ms"),
            (1.26, "1.3 s"),
            (119.9, "119.9 s"),
            (179.0, "2 min"),
            (7300.0, "2 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
