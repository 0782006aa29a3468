//! Readings of the witnesses.

use comfy_table::Color;
use onair_types::{Reading, Says, Verdict};

use super::{cell, coloured, print, printable, table};

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
    let mut table = table(&["WITNESS", "LOOKED AT", "SAYS", "USERS", "WORD OF", "DETAIL"]);
    for reading in readings {
        let colour = match reading.says {
            Says::Zero => Color::Green,
            Says::Users => Color::Yellow,
            Says::Unknown => Color::Red,
            Says::NotApplicable => Color::DarkGrey,
        };
        table.add_row([
            cell(reading.witness),
            cell(&reading.name),
            coloured(reading.says, colour),
            cell(reading.users),
            cell(reading.word_of),
            cell(&reading.detail),
        ]);
    }
    print(table)
}
