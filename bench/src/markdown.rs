//! The result in `docs/performance.md`: the column "measured", and the table of all rows.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::document::Document;
use crate::row::Row;
use crate::show::number;

const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

/// Writes a result into a page: fills the last column of the table of properties, and all rows
#[derive(clap::Args)]
#[command(after_help = "\
The page has a table whose lines begin with `| P1 |` and so on: the last cell of each is replaced. Between
the lines `<!-- bench: begin -->` and `<!-- bench: end -->` stand the machine and all rows.

Example:
  cargo xtask bench --json bench.json && cargo xtask bench markdown bench.json docs/performance.md")]
pub(crate) struct Markdown {
    /// A result, as `--json` wrote it
    result: PathBuf,
    /// The page
    page: PathBuf,
}

impl Markdown {
    pub(crate) fn run(&self) -> Result<()> {
        let document = Document::read(&self.result)?;
        let page = std::fs::read_to_string(&self.page)
            .with_context(|| format!("reading {}", self.page.display()))?;
        let page = fill(&page, &document)
            .with_context(|| format!("{} is not such a page", self.page.display()))?;
        std::fs::write(&self.page, page).with_context(|| format!("writing {}", self.page.display()))
    }
}

fn fill(page: &str, document: &Document) -> Result<String> {
    let (before, rest) = page.split_once(BEGIN).context(BEGIN)?;
    let (_, after) = rest.split_once(END).context(END)?;
    let mut filled = 0;
    let mut text = String::new();
    let mut is_its_table = false;
    for line in before.lines() {
        is_its_table = line.ends_with("| measured |") || is_its_table && line.starts_with('|');
        match measured(line, &document.results).filter(|_| is_its_table) {
            Some(line) => {
                filled += 1;
                text += &line;
            }
            None => text += line,
        }
        text.push('\n');
    }
    ensure!(
        filled > 0,
        "no table of it has the column \"measured\", and a line that begins with `| P1 |` or another id"
    );
    let all = all(document)?;
    Ok(format!("{text}{BEGIN}\n{all}{END}{after}"))
}

/// The line with its last cell replaced, if it is one of a property that was measured.
fn measured(line: &str, rows: &[Row]) -> Option<String> {
    let cells: Vec<_> = line
        .strip_prefix("| ")?
        .strip_suffix(" |")?
        .split(" | ")
        .collect();
    let own: Vec<_> = rows.iter().filter(|row| row.id == cells[0]).collect();
    let aims = own.iter().filter(|row| !row.target.is_empty());
    let mut told: Vec<_> = aims.map(|row| in_short(row)).collect();
    if told.is_empty() {
        let others = own.iter().filter(|row| row.samples == 0);
        told = others.map(|row| row.variant.clone()).collect();
        let measured = own.len() - told.len();
        if measured > 0 {
            told.insert(0, format!("rows without a target: {measured}"));
        }
    }
    if told.is_empty() {
        return None;
    }
    let kept = &cells[..cells.len() - 1];
    Some(format!("| {} | {} |", kept.join(" | "), told.join("; ")))
}

/// `N = 64: 162 µs, 1.11 ×, yes`.
fn in_short(row: &Row) -> String {
    let ratio = row.ratio.map_or(String::new(), |ratio| {
        format!(", {} ×", number(Some(ratio)))
    });
    let met = if row.met == Some(true) {
        "yes"
    } else {
        "**no**"
    };
    let value = number(row.value);
    format!("{}: {value} {}{ratio}, {met}", row.variant, row.unit)
}

fn all(document: &Document) -> Result<String> {
    let mut text = format!(
        "Measured {} on {}{}.\n\n\
         | id | variant | unit | p50 | p99 | p99.9 | p99.99 | max | samples | beside | its p50 | its p99 | ratio | ± | load | target | met |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        document.machine.at,
        document.machine,
        if document.machine.quick {
            "; with `--quick`"
        } else {
            ""
        },
    );
    for row in &document.results {
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        let noise = row.detail.noise.map(|noise| 100.0 * noise);
        let cells = [
            row.id.clone(),
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
        ];
        writeln!(text, "| {} |", cells.join(" | "))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::samples::Samples;

    const PAGE: &str = "# Page\n\n| id | property | target | measured |\n|---|---|---|---|\n\
        | P1 | stop | ≤ 1.2 × | old |\n| P9 | kill | p99 < 1 ms | as it was |\n\n\
        | id | cause |\n|---|---|\n| P1 | as found |\n\n\
        <!-- bench: begin -->\nold\n<!-- bench: end -->\n\nAfter.\n";

    #[test]
    fn page_filled_then_own_cells_and_block_replaced_and_nothing_else() {
        let ours: Samples = [12.0, 12.0, 12.0].into_iter().collect();
        let row = Row::of("P1", "N = 1", "µs", &ours)
            .limit("FUTEX_WAKE", 10.0)
            .target("≤ 1.2 ×", |row| row.ratio_at_most(1.2));
        let document = Document::new(Machine::default(), vec![row]);
        let page = fill(PAGE, &document).unwrap();
        assert!(
            page.contains("| P1 | stop | ≤ 1.2 × | N = 1: 12.0 µs, 1.20 ×, yes |"),
            "{page}"
        );
        assert!(page.contains("| P9 | kill | p99 < 1 ms | as it was |"));
        assert!(page.contains("| P1 | as found |"), "{page}");
        assert!(!page.contains("old"));
        assert!(page.ends_with("<!-- bench: end -->\n\nAfter.\n"));
        assert_eq!(
            fill(&page, &document).unwrap(),
            page,
            "a second time changes nothing"
        );
    }

    #[test]
    fn page_of_rows_without_a_target_then_their_number_and_what_is_absent() {
        let ours: Samples = [12.0].into_iter().collect();
        let rows = vec![
            Row::of("P1", "N = 1", "µs", &ours),
            Row::absent("P1", "no core for N = 2"),
        ];
        let page = fill(PAGE, &Document::new(Machine::default(), rows)).unwrap();
        let cell = "| rows without a target: 1; absent: no core for N = 2 |";
        assert!(page.contains(cell), "{page}");
    }

    #[test]
    fn page_without_marks_or_lines_then_refused() {
        let document = Document::default();
        assert!(fill("# Page\n", &document).is_err());
        assert!(fill(PAGE, &document).is_err(), "nothing was measured");
    }
}
