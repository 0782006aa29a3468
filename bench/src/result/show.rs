//! The rows as a table for people.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use crate::result::row::Row;

/// The figures that show what a row is, from left to right.
const COLUMNS: [&str; 16] = [
    "variant", "unit", "p50", "p99", "p99.9", "p99.99", "max", "samples", "beside", "its p50",
    "its p99", "ratio", "±", "load", "target", "met",
];

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
