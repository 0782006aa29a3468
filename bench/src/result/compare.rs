//! Two results side by side: what changed beyond the noise.

use std::path::PathBuf;

use anyhow::Result;
use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::result::document::Document;
use crate::result::row::Row;
use crate::result::show::number;

/// Less than that is never called a change.
const FLOOR: f64 = 0.05;
/// What a row is taken to vary by, where its result does not say.
const UNKNOWN: f64 = 0.10;

/// Shows what changed from one result to another, beyond the noise
///
/// Compared is the ratio to the reference of the same run where there is one, else the value itself.
/// A row has changed when the two differ by more than 5 %, and by more than both drifted while they
/// were taken.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  \
    cargo xtask bench compare before.json after.json\n\n\
    Exit status: 0, whatever has changed.")]
pub(crate) struct Compare {
    /// The earlier result, as `--json` wrote it
    before: PathBuf,
    /// The later one
    after: PathBuf,
    /// Shows all rows, also those that are the same
    #[arg(long)]
    all: bool,
    /// For programs: a list of {id, variant, before, after, change, noise, says}
    #[arg(long)]
    json: bool,
}

/// One row of both results.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Change {
    id: String,
    variant: String,
    /// What is compared: `ratio`, or the unit of the value.
    of: String,
    before: Option<f64>,
    after: Option<f64>,
    /// `after / before - 1`.
    change: Option<f64>,
    /// What it has to exceed.
    noise: f64,
    says: Says,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Says {
    Same,
    Better,
    Worse,
    /// Only in the later result, or measured there only.
    New,
    /// Only in the earlier one.
    Gone,
    /// In neither.
    Absent,
}

impl Compare {
    pub(crate) fn run(&self) -> Result<()> {
        let (before, after) = (Document::read(&self.before)?, Document::read(&self.after)?);
        let changes = changes(&before.results, &after.results);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&changes)?);
            return Ok(());
        }
        println!("before  {}\nafter   {}", before.machine, after.machine);
        let shown = changes
            .iter()
            .filter(|it| self.all || !matches!(it.says, Says::Same | Says::Absent));
        println!("{}", table(shown));
        let same = changes.iter().filter(|it| it.says == Says::Same).count();
        println!("{same} of {} are the same within the noise", changes.len());
        Ok(())
    }
}

fn changes(before: &[Row], after: &[Row]) -> Vec<Change> {
    let is_in = |rows: &[Row], row: &Row| {
        let found = rows
            .iter()
            .find(|it| it.id == row.id && it.variant == row.variant);
        found.cloned()
    };
    let gone = before.iter().filter(|row| is_in(after, row).is_none());
    let gone = gone.map(|row| change(Some(row), None));
    let both = after
        .iter()
        .map(|row| change(is_in(before, row).as_ref(), Some(row)));
    both.chain(gone).collect()
}

fn change(before: Option<&Row>, after: Option<&Row>) -> Change {
    let row = after.or(before).expect("one of them is there");
    // A requirement is the same number in each run: then the ratio says no more than the value.
    let by_ratio = row.ratio.is_some() && before.is_none_or(|row| row.ratio.is_some());
    let figure =
        |row: Option<&Row>| row.and_then(|row| if by_ratio { row.ratio } else { row.value });
    let (was, is) = (figure(before), figure(after));
    let drift = |row: Option<&Row>| row.and_then(|row| row.detail.noise).unwrap_or(UNKNOWN);
    let noise = drift(before).hypot(drift(after)).max(FLOOR);
    let change = was.zip(is).map(|(was, is)| is / was - 1.0);
    let says = match (was, is, change) {
        (None, None, _) => Says::Absent,
        (None, Some(_), _) => Says::New,
        (Some(_), None, _) => Says::Gone,
        (_, _, Some(change)) if change.abs() > noise => {
            if (change > 0.0) == row.detail.more_is_better {
                Says::Better
            } else {
                Says::Worse
            }
        }
        _ => Says::Same,
    };
    Change {
        id: row.id.clone(),
        variant: row.variant.clone(),
        of: if by_ratio {
            "ratio".into()
        } else {
            row.unit.clone()
        },
        before: was,
        after: is,
        change,
        noise,
        says,
    }
}

fn table<'a>(changes: impl Iterator<Item = &'a Change>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header([
            "id", "variant", "of", "before", "after", "change", "noise", "says",
        ]);
    for it in changes {
        let (says, colour) = match it.says {
            Says::Same => ("same", Color::Reset),
            Says::Better => ("better", Color::Green),
            Says::Worse => ("worse", Color::Red),
            Says::New => ("new", Color::Yellow),
            Says::Gone => ("gone", Color::Yellow),
            Says::Absent => ("absent", Color::Reset),
        };
        let percent = |share: f64| format!("{:+.1} %", 100.0 * share);
        table.add_row(vec![
            Cell::new(&it.id),
            Cell::new(&it.variant),
            Cell::new(&it.of),
            Cell::new(number(it.before)),
            Cell::new(number(it.after)),
            Cell::new(it.change.map_or("–".into(), percent)),
            Cell::new(format!("±{:.1} %", 100.0 * it.noise)),
            Cell::new(says).fg(colour),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::samples::Samples;

    fn row(values: &[f64], reference: &[f64]) -> Row {
        let ours: Samples = values.iter().copied().collect();
        let reference: Samples = reference.iter().copied().collect();
        Row::of("P1", "N = 1", "µs", &ours).beside("peer", &ours, &reference)
    }

    fn says(before: &Row, after: &Row) -> Says {
        let changes = changes(std::slice::from_ref(before), std::slice::from_ref(after));
        assert_eq!(changes.len(), 1);
        changes[0].says
    }

    #[test]
    fn compare_the_machine_is_slower_but_not_the_ratio_then_same() {
        let before = row(&[10.0, 10.0, 10.0], &[5.0, 5.0, 5.0]);
        let after = row(&[30.0, 30.0, 30.0], &[15.0, 15.0, 15.0]);
        assert_eq!(says(&before, &after), Says::Same);
    }

    #[test]
    fn compare_ratio_moves_beyond_both_drifts_then_says_which_way() {
        let calm = row(&[10.0, 10.1, 10.0], &[10.0, 10.0, 10.0]);
        let slow = row(&[14.0, 14.1, 14.0], &[10.0, 10.0, 10.0]);
        assert_eq!(says(&calm, &slow), Says::Worse);
        assert_eq!(says(&slow, &calm), Says::Better);
        let wild = row(&[7.0, 14.0, 21.0], &[10.0, 10.0, 10.0]);
        assert_eq!(says(&calm, &wild), Says::Same, "it drifted by 50 %");
        let rate = |row: Row| row.more_is_better();
        assert_eq!(says(&rate(calm), &rate(slow)), Says::Better);
    }

    #[test]
    fn compare_few_percent_then_the_same_however_calm() {
        let before = row(&[10.0, 10.0], &[10.0, 10.0]);
        let after = row(&[10.4, 10.4], &[10.0, 10.0]);
        assert_eq!(says(&before, &after), Says::Same);
    }

    #[test]
    fn compare_rows_of_one_result_only_then_new_gone_or_absent() {
        let one = row(&[10.0], &[10.0]);
        let new = changes(&[], std::slice::from_ref(&one));
        assert_eq!(new[0].says, Says::New);
        let gone = changes(std::slice::from_ref(&one), &[]);
        assert_eq!(gone[0].says, Says::Gone);
        let absent = Row::absent("P17", "not built");
        assert_eq!(says(&absent, &absent), Says::Absent);
    }

    #[test]
    fn compare_no_reference_then_by_value() {
        let of = |value: f64| {
            let samples: Samples = [value, value].into_iter().collect();
            Row::of("P14", "start", "ms", &samples)
        };
        let changes = changes(&[of(100.0)], &[of(200.0)]);
        assert_eq!(
            (changes[0].of.as_str(), changes[0].says),
            ("ms", Says::Worse)
        );
    }
}
