//! `docs/results/bench.md`: a result as a page, with the stamp of its run.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use crate::property::Property;
use crate::result::document::Document;
use crate::result::machine::Machine;
use crate::result::row::Row;
use crate::result::show::number;

/// Writes a result as a page: the stamp of the run, and all rows
#[derive(clap::Args)]
#[command(after_help = "\
The page is replaced as a whole. It names the commit, the date, the machine and the kernel of the run.

Example:
  cargo xtask bench --json bench.json && cargo xtask bench markdown bench.json docs/results/bench.md")]
pub(crate) struct Markdown {
    /// A result, as `--json` wrote it
    result: PathBuf,
    /// The page
    page: PathBuf,
}

impl Markdown {
    pub(crate) fn run(&self) -> Result<()> {
        let page = page(&Document::read(&self.result)?)?;
        std::fs::write(&self.page, page).with_context(|| format!("writing {}", self.page.display()))
    }
}

const HEAD: &str = "\
# Results of the bench

`cargo xtask bench markdown` wrote this page: run it again after a change, do not edit it.
[performance.md](../performance.md) explains the rows.
";

const COLUMNS: &str = "\
| variant | unit | p50 | p99 | p99.9 | p99.99 | max | samples | beside | its p50 | its p99 | ratio | ± | load | target | met |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

fn page(document: &Document) -> Result<String> {
    ensure!(!document.results.is_empty(), "the result has no rows");
    let mut text = format!("{HEAD}\n{}", stamp(&document.machine));
    let mut section = "";
    for row in &document.results {
        if row.id != section {
            section = &row.id;
            write!(text, "\n## {section}\n\n{}{COLUMNS}", title(section))?;
        }
        line(&mut text, row)?;
    }
    Ok(text)
}

/// What the property measures, as a paragraph; empty for a property of another version.
fn title(id: &str) -> String {
    let property = Property::ALL.iter().find(|property| property.id() == id);
    property.map_or(String::new(), |property| {
        format!("{}\n\n", property.title())
    })
}

fn stamp(machine: &Machine) -> String {
    let Machine {
        at,
        cores,
        processor,
        memory_mib,
        kernel,
        load,
        noise,
        quick,
        loaded,
        ..
    } = machine;
    let commit = match machine.commit.as_str() {
        "" => "not recorded",
        commit => commit,
    };
    let mhz = machine
        .mhz
        .map_or(String::new(), |mhz| format!(" at {mhz:.0} MHz"));
    let quick = if *quick { "; `--quick`" } else { "" };
    let loaded = if *loaded { "; `--loaded`" } else { "" };
    format!(
        "- Commit: {commit}\n\
         - Date: {at}\n\
         - Machine: {cores} cores of {processor}{mhz}, {} GiB\n\
         - Kernel: Linux {kernel}\n\
         - Load at the start: {load:.2}; other processes had {:.2} % of the machine{quick}{loaded}\n",
        memory_mib / 1024,
        noise.stolen_percent,
    )
}

fn line(text: &mut String, row: &Row) -> Result<()> {
    let met = match row.met {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "–",
    };
    let noise = row.detail.noise.map(|noise| 100.0 * noise);
    let cells = [
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::samples::Samples;

    fn rows() -> Vec<Row> {
        let ours: Samples = [12.0, 12.0, 12.0].into_iter().collect();
        vec![
            Row::of("P1", "N = 1", "µs", &ours)
                .limit("FUTEX_WAKE", 10.0)
                .target("≤ 1.1 ×", |row| row.ratio_at_most(1.1)),
            Row::absent("P9", "not built"),
        ]
    }

    #[test]
    fn page_has_the_stamp_and_each_row_under_its_property() {
        let machine = Machine {
            at: "2026-11-25T04:00:00Z".into(),
            commit: "8253c97b".into(),
            kernel: "6.18.1".into(),
            processor: "EPYC".into(),
            cores: 2,
            quick: true,
            ..Machine::default()
        };
        let page = page(&Document::new(machine, rows())).unwrap();
        for part in [
            "- Commit: 8253c97b\n- Date: 2026-11-25T04:00:00Z\n- Machine: 2 cores of EPYC, 0 GiB\n",
            "- Kernel: Linux 6.18.1\n",
            "; `--quick`\n",
            "\n## P1\n\nstop → the last of N blocked callers has returned\n\n| variant |",
            "| ≤ 1.1 × | **no** |\n\n## P9\n",
            "| absent: not built |",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
    }

    #[test]
    fn page_without_a_commit_says_so_and_without_rows_is_refused() {
        let known = page(&Document::new(Machine::default(), rows())).unwrap();
        assert!(known.contains("- Commit: not recorded\n"), "{known}");
        assert!(page(&Document::default()).is_err());
    }
}
