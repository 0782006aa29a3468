//! The rows as a table for people.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use crate::result::row::Row;

/// The rows as a table.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(
            [
                "id", "variant", "unit", "p50", "p99", "p99.9", "p99.99", "max", "samples",
                "beside", "p50", "p99", "ratio", "target", "met",
            ]
            .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
        );
    for row in rows {
        let (met, colour) = match row.met {
            Some(true) => ("yes", Color::Green),
            Some(false) => ("no", Color::Red),
            None => ("–", Color::Reset),
        };
        let right = |value| Cell::new(number(value)).set_alignment(CellAlignment::Right);
        table.add_row(vec![
            Cell::new(&row.id),
            Cell::new(&row.variant),
            Cell::new(&row.unit),
            right(row.p50),
            right(row.p99),
            right(row.detail.p99_9),
            right(row.detail.p99_99),
            right(row.max),
            Cell::new(row.samples).set_alignment(CellAlignment::Right),
            Cell::new(&row.reference_name),
            right(row.reference),
            right(row.detail.reference_p99),
            right(row.ratio),
            Cell::new(&row.target),
            Cell::new(met).fg(colour),
        ]);
    }
    table
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
