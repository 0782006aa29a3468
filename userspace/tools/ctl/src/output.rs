//! Standard output, whose reader may close it at any time, and small files.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use console::Term;
use serde::Serialize;

use crate::failure::Failure;

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

/// Whether `path` stands for standard output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path == Path::new("-")
}

/// Writes `bytes` to the file at `path`, or to standard output. Readers of the file see the old bytes or the new ones.
pub(crate) fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if is_standard(path) {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()?;
        return Ok(());
    }
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        drop(fs::remove_file(&part));
        Failure::Input(format!("cannot write {}: {error}", path.display()))
    })
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
