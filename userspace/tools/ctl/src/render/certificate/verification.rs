//! Results of the checks of a certificate.

use comfy_table::Color;
use onair_certificate::{CheckOutcome, Verification};

use crate::render::{cell, coloured, columns, printable};

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
    let checks = columns(
        &found.checks,
        &[
            ("CHECK", |check| cell(&check.name)),
            ("", |check| match check.outcome {
                CheckOutcome::Holds => coloured("✓", Color::Green),
                CheckOutcome::Fails => coloured("✗", Color::Red),
                CheckOutcome::Absent => coloured("–", Color::DarkGrey),
            }),
            ("WHY", |check| cell(&check.detail)),
        ],
    );
    format!(
        "{}: certificate {} {word}\n\n{checks}",
        printable(source),
        printable(&of)
    )
}
