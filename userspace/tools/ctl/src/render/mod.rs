//! Documents for people: tables, short durations, and colours on a terminal.
//!
//! Processes choose the names of processes and threads. Such text reaches a terminal only through
//! [`printable`].

pub(crate) mod analysis;
pub(crate) mod certificate;
pub(crate) mod daemon;
pub(crate) mod event;
pub(crate) mod export;
pub(crate) mod group;
pub(crate) mod page;
pub(crate) mod pipe;
pub(crate) mod problem;
pub(crate) mod recording;
pub(crate) mod session;
pub(crate) mod top;
pub(crate) mod verdict;

use std::fmt;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use onair_api::{Timestamp, is_unprintable};
use onair_essence::rows::{Grade, Row};

use crate::document::Forecast;
use session::blocker;

/// Most numbers shown: the first one and the last ones.
const SHOWN: usize = 6;

/// A table with a header line and without a frame.
pub(crate) fn table(heads: &[&str]) -> Table {
    let mut table = bare();
    table.set_header(
        heads
            .iter()
            .map(|head| Cell::new(head).add_attribute(Attribute::Bold)),
    );
    table
}

/// The head of a column, and its cell of an entry.
pub(crate) type Column<'a, T> = (&'a str, fn(&'a T) -> Cell);

/// A table of `list`.
pub(crate) fn columns<'a, T>(
    list: impl IntoIterator<Item = &'a T>,
    columns: &[Column<'a, T>],
) -> String {
    let heads: Vec<_> = columns.iter().map(|(head, _)| *head).collect();
    let mut table = table(&heads);
    for one in list {
        table.add_row(columns.iter().map(|(_, cell)| cell(one)));
    }
    print(table)
}

/// A table of two columns, name and value.
pub(crate) struct Facts(Table);

impl Default for Facts {
    fn default() -> Self {
        Self(bare())
    }
}

impl Facts {
    pub(crate) fn add(&mut self, name: impl ToString, value: impl ToString) {
        self.add_cell(name, cell(value));
    }

    pub(crate) fn add_cell(&mut self, name: impl ToString, value: Cell) {
        self.0.add_row([cell(name), value]);
    }

    /// A row that an essence gives.
    pub(crate) fn add_row(&mut self, row: Row) {
        let value = match row.grade {
            None => cell(row.text),
            Some(grade) => coloured(row.text, colour(grade)),
        };
        self.add_cell(row.name, value);
    }

    /// A table of rows that an essence gives.
    pub(crate) fn of(rows: Vec<Row>) -> Self {
        let mut facts = Self::default();
        rows.into_iter().for_each(|it| facts.add_row(it));
        facts
    }

    pub(crate) fn print(self) -> String {
        print(self.0)
    }
}

pub(crate) const fn colour(grade: Grade) -> Color {
    match grade {
        Grade::Good => Color::Green,
        Grade::Fair => Color::Yellow,
        Grade::Bad => Color::Red,
    }
}

fn bare() -> Table {
    let mut table = Table::new();
    // The lines also feed `grep` and `awk`: a narrow terminal may wrap them, this program does not.
    table
        .load_preset(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    if console::colors_enabled() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

/// The table as text, without padding at either end of its lines.
pub(crate) fn print(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A cell. Its text may come from another process.
pub(crate) fn cell(text: impl ToString) -> Cell {
    Cell::new(printable(&text.to_string()))
}

/// A coloured cell.
pub(crate) fn coloured(text: impl ToString, colour: Color) -> Cell {
    cell(text).fg(colour)
}

/// A heading above a table.
pub(crate) fn heading(text: &str) -> String {
    format!("\n{}\n", console::style(text).bold())
}

/// `text` without characters that control a terminal or hide in it.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if is_unprintable(c) && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// A session description, with CRLF at the end of each line (RFC 8866 §5).
pub(crate) fn description(text: &str) -> String {
    text.lines().map(|line| printable(line) + "\r\n").collect()
}

/// A duration in one or two units.
pub(crate) fn human(duration: Duration) -> String {
    let us = duration.as_micros();
    match us {
        0 => "0s".to_owned(),
        1..1_000 => format!("{us}µs"),
        1_000..10_000 => format!("{:.1}ms", duration.as_secs_f64() * 1e3),
        10_000..1_000_000 => format!("{}ms", duration.as_millis()),
        1_000_000..60_000_000 => {
            let text = format!("{:.1}", duration.as_secs_f64());
            format!("{}s", text.strip_suffix(".0").unwrap_or(&text))
        }
        _ => {
            let seconds = duration.as_secs();
            let unit = if seconds < 3600 { 1 } else { 60 };
            humantime::format_duration(Duration::from_secs(seconds / unit * unit)).to_string()
        }
    }
}

/// How long ago, or a dash.
pub(crate) fn ago(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| format!("{} ago", human(at.age())))
}

/// Bytes in binary units.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// A number, or a dash when there is none.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Answer of `--dry-run`.
pub(crate) fn render(forecast: &Forecast) -> String {
    let operation = &forecast.operation;
    let word = if forecast.would_pass {
        console::style(format!("{operation} would pass")).green()
    } else {
        console::style(format!("{operation} would be refused")).yellow()
    };
    let mut text = format!(
        "{word}: {} ({} is {})\n",
        printable(&forecast.reason),
        forecast.session,
        forecast.state
    );
    if !forecast.evicts.is_empty() {
        let numbers: Vec<_> = forecast.evicts.iter().map(ToString::to_string).collect();
        text += &format!("It would evict attachment {}.\n", numbers.join(", "));
    }
    if !forecast.blockers.is_empty() {
        text += &heading("Users:");
        text += &blocker::rows(&forecast.blockers);
    }
    text += &heading("Witnesses:");
    text += &verdict::rows(&forecast.verdict.readings);
    text
}

/// The numbers seen so far, each once: `12 … 3 … 0 users`.
#[derive(Debug, Default)]
pub(crate) struct Falling {
    seen: Vec<u64>,
}

impl Falling {
    /// Records the number of users left. Returns whether it changed.
    pub(crate) fn now(&mut self, users: u64) -> bool {
        if self.seen.last() == Some(&users) {
            return false;
        }
        if self.seen.len() >= SHOWN {
            self.seen.remove(1);
        }
        self.seen.push(users);
        true
    }
}

impl fmt::Display for Falling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen: Vec<_> = self.seen.iter().map(ToString::to_string).collect();
        let noun = if self.seen == [1] { "user" } else { "users" };
        write!(f, "{} {noun}", seen.join(" … "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_for_people_then_short() {
        for (us, text) in [
            (0, "0s"),
            (57, "57µs"),
            (1_500, "1.5ms"),
            (120_000, "120ms"),
            (5_000_000, "5s"),
            (12_340_000, "12.3s"),
            (90_500_000, "1m 30s"),
            (3_725_000_000, "1h 2m"),
        ] {
            assert_eq!(human(Duration::from_micros(us)), text);
        }
    }

    #[test]
    fn text_with_terminal_commands_then_harmless() {
        assert_eq!(
            printable("a\u{1b}[2Jb\u{9b}c\rd"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"
        );
    }

    #[test]
    fn table_printed_then_no_padding_at_either_end() {
        let mut table = table(&["A", "LONGER"]);
        table.add_row(["x", "y"]);
        assert_eq!(print(table), "A  LONGER\nx  y\n");
    }

    #[test]
    fn falling_seen_again_then_each_number_once_and_a_short_line() {
        let mut users = Falling::default();
        assert!(users.now(1));
        assert_eq!(users.to_string(), "1 user");
        let mut users = Falling::default();
        for count in [12, 12, 3, 3, 0] {
            users.now(count);
        }
        assert_eq!(users.to_string(), "12 … 3 … 0 users");
        for count in (0..100).rev() {
            users.now(count);
        }
        assert_eq!(users.to_string(), "12 … 4 … 3 … 2 … 1 … 0 users");
    }
}
