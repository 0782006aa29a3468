//! Standard output. Its reader may close it at any time.

use std::io::{self, Write};

use console::Term;
use serde::Serialize;

/// Writes `text` unchanged.
pub(crate) fn text(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes `document` as indented JSON.
pub(crate) fn json(document: &impl Serialize) -> io::Result<()> {
    let mut pretty = serde_json::to_string_pretty(document)?;
    pretty.push('\n');
    text(&pretty)
}

/// Writes `document` as JSON on one line.
pub(crate) fn json_line(document: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(document)?;
    line.push('\n');
    text(&line)
}

/// Replaces what is on the terminal by `text`: as many lines and columns as it has.
pub(crate) fn screen(text: &str) -> io::Result<()> {
    let terminal = Term::stdout();
    let (lines, columns) = terminal.size();
    let lines = usize::from(lines).saturating_sub(1).max(1);
    let shown: Vec<_> = text
        .lines()
        .take(lines)
        .map(|line| console::truncate_str(line, columns.into(), "…"))
        .collect();
    terminal.clear_screen()?;
    self::text(&(shown.join("\n") + "\n"))
}
