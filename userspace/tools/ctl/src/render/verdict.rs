//! Readings of the witnesses.

use comfy_table::Color;
use onair_api::{Reading, Says, Verdict};

use super::{cell, coloured, columns, printable};

/// Answer of `verdict`.
pub(crate) fn render(verdict: &Verdict) -> String {
    let word = if verdict.disagreement {
        console::style("the witnesses disagree: nothing is freed").red()
    } else if verdict.destroyable {
        console::style("a destroy would pass").green()
    } else {
        console::style("a destroy would be refused").yellow()
    };
    format!(
        "{word}: {}\n\n{}",
        printable(&verdict.reason),
        rows(&verdict.readings)
    )
}

/// A table of readings.
pub(crate) fn rows(readings: &[Reading]) -> String {
    columns(
        readings,
        &[
            ("WITNESS", |reading| cell(reading.witness)),
            ("LOOKED AT", |reading| cell(&reading.name)),
            ("SAYS", |reading| {
                coloured(
                    reading.says,
                    match reading.says {
                        Says::Zero => Color::Green,
                        Says::Users => Color::Yellow,
                        Says::Unknown => Color::Red,
                        Says::NotApplicable => Color::DarkGrey,
                    },
                )
            }),
            ("USERS", |reading| cell(reading.users)),
            ("WORD OF", |reading| cell(reading.word_of)),
            ("DETAIL", |reading| cell(&reading.detail)),
        ],
    )
}
