//! Results of the checks of a certificate.

use comfy_table::Color;
use onair_types::{CheckOutcome, Verification};

use super::{cell, coloured, print, printable, table};

/// Answer of `certificate verify` for one certificate.
pub(crate) fn render(source: &str, found: &Verification) -> String {
    let word = if found.holds {
        console::style("is valid").green().bold()
    } else {
        console::style("is invalid").red().bold()
    };
    let of = match (&found.name, &found.session) {
        (Some(name), Some(session)) => format!("{name} ({session})"),
        _ => "of an unknown session".to_owned(),
    };
    let mut rows = table(&["CHECK", "", "WHY"]);
    for check in &found.checks {
        let mark = match check.outcome {
            CheckOutcome::Holds => coloured("✓", Color::Green),
            CheckOutcome::Fails => coloured("✗", Color::Red),
            CheckOutcome::Absent => coloured("–", Color::DarkGrey),
        };
        rows.add_row([cell(&check.name), mark, cell(&check.detail)]);
    }
    format!(
        "{}: certificate {} {word}\n\n{}",
        printable(source),
        printable(&of),
        print(rows)
    )
}
