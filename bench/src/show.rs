//! The rows as a table for people.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use crate::row::Row;

/// The rows as a table.
pub(crate) fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(
            [
                "id", "variant", "unit", "p50", "p99", "p99.9", "max", "samples", "beside", "p50",
                "p99", "ratio", "target", "met",
            ]
            .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
        );
    for row in rows {
        let (met, colour) = match row.met {
            Some(true) => ("yes", Color::Green),
            Some(false) => ("no", Color::Red),
            None => ("–", Color::Reset),
        };
        table.add_row(vec![
            Cell::new(row.id),
            Cell::new(&row.variant),
            Cell::new(row.unit),
            number(row.p50),
            number(row.p99),
            number(row.p99_9),
            number(row.max),
            Cell::new(row.samples).set_alignment(CellAlignment::Right),
            Cell::new(&row.reference_name),
            number(row.reference),
            number(row.reference_p99),
            number(row.ratio),
            Cell::new(&row.target),
            Cell::new(met).fg(colour),
        ]);
    }
    table
}

/// Three figures that matter.
fn number(value: f64) -> Cell {
    let text = match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    };
    Cell::new(text).set_alignment(CellAlignment::Right)
}
