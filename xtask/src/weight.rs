//! What the project weighs, beside what it weighed when it last landed: a table of the summary.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value};

use crate::cargo::{root, target};
use crate::say;

/// Programs that ship.
const PROGRAMS: [&str; 7] = [
    "onaird",
    "onairctl",
    "onair-convert",
    "onair-waiters",
    "onair-nmos",
    "onair-mxl",
    "onair-wall",
];
/// The table of the commit that landed last; a whole run with [`WRITE`] set writes it.
const LANDED: &str = "docs/results/landed.json";
const WRITE: &str = "ONAIR_WRITE_LANDED";

/// Rows of the table, in their order: what, and how much.
#[derive(Debug, Default)]
pub(crate) struct Weight(Vec<(String, f64)>);

impl Weight {
    /// Lines of Rust by part, words, packages of the lock file, and megabytes of the programs that the tests ran. Files are
    /// those that git tracks.
    ///
    /// # Errors
    /// Git lists no files, or one cannot be read.
    pub(crate) fn of_the_tree() -> Result<Self> {
        let listed = Command::new("git")
            .args(["ls-files", "-z"])
            .current_dir(root())
            .output()
            .context("running git")?;
        ensure!(listed.status.success(), "git ls-files failed");
        let listed = String::from_utf8(listed.stdout)?;
        let (mut product, mut units, mut whole, mut tools) = (0, 0, 0, 0);
        let (mut words, mut decisions) = (0, 0);
        for name in listed.split_terminator('\0') {
            let is_page = name.ends_with(".md");
            if !is_page && !name.ends_with(".rs") {
                continue;
            }
            let text = fs::read_to_string(root().join(name)).context(name.to_owned())?;
            if is_page {
                let count = text.split_whitespace().count();
                *match name.starts_with("docs/adr/") {
                    true => &mut decisions,
                    false => &mut words,
                } += count;
                continue;
            }
            let (code, tests) = parts(name, &text);
            units += tests;
            *match name.split('/').collect::<Vec<_>>()[..] {
                ["tests", ..] | ["xtask", "stage", ..] => &mut whole,
                ["xtask" | "bench", ..] | ["userspace", "tools", "sim", ..] => &mut tools,
                _ => &mut product,
            } += code;
        }
        let lock = fs::read_to_string(root().join("Cargo.lock"))?;
        let mut weight = Self::default();
        for (what, count) in [
            ("lines of Rust: product", product),
            ("lines of Rust: its unit tests", units),
            ("lines of Rust: whole-system tests", whole),
            ("lines of Rust: simulator, bench, xtask", tools),
            ("lines of Rust", product + units + whole + tools),
            ("words of pages", words),
            ("words of decisions", decisions),
            ("packages", lock.matches("[[package]]").count()),
        ] {
            weight.add(what, count as f64);
        }
        for name in PROGRAMS {
            if let Ok(about) = fs::metadata(target().join("debug").join(name)) {
                weight.add(&format!("{name}, MB"), about.len() as f64 / 1e6);
            }
        }
        Ok(weight)
    }

    /// Adds a row, in tenths.
    pub(crate) fn add(&mut self, what: &str, count: f64) {
        self.0
            .push((what.to_owned(), (count * 10.0).round() / 10.0));
    }

    /// A line a row, beside what landed last.
    pub(crate) fn table(&self) {
        let landed = landed();
        let width = self.0.iter().map(|(what, _)| what.chars().count());
        let width = width.max().unwrap_or(0);
        say::note(format_args!(
            "{:<width$}  {:>9}  {:>9}",
            "", "now", "landed"
        ));
        for (what, count) in &self.0 {
            let before = landed.get(what).and_then(Value::as_f64);
            let before = before.map_or_else(String::new, shown);
            let now = shown(*count);
            say::note(format_args!("{what:<width$}  {now:>9}  {before:>9}"));
        }
    }

    /// Keeps the table for the next ones, if that is asked for.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn keep_if_asked(&self) -> Result<()> {
        if std::env::var_os(WRITE).is_none() {
            return Ok(());
        }
        let rows = self.0.iter();
        let rows: Map<_, _> = rows
            .map(|(what, count)| (what.clone(), (*count).into()))
            .collect();
        let text = serde_json::to_string_pretty(&rows)? + "\n";
        fs::write(root().join(LANDED), text).context(LANDED)
    }
}

/// Lines of code, and of its unit tests.
fn parts(name: &str, text: &str) -> (usize, usize) {
    let all = text.lines().count();
    if name.starts_with("tests/") {
        return (all, 0);
    }
    let is_test = |part: &str| part == "tests" || part.trim_end_matches(".rs").ends_with("tests");
    if Path::new(name)
        .iter()
        .any(|it| it.to_str().is_some_and(is_test))
    {
        return (0, all);
    }
    let inline = text.find("\n#[cfg(test)]\nmod tests {");
    let code = inline.map_or(all, |at| text[..at].lines().count());
    (code, all - code)
}

/// Nothing has landed yet where there is no such file.
fn landed() -> Map<String, Value> {
    let text = fs::read_to_string(root().join(LANDED)).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn shown(count: f64) -> String {
    match count.fract() == 0.0 {
        true => format!("{count}"),
        false => format!("{count:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Weight, parts};

    #[test]
    fn weight_has_what_is_in_the_tree() {
        let Weight(rows) = Weight::of_the_tree().unwrap();
        assert!(rows.len() >= 8, "{rows:?}");
        assert!(rows.iter().all(|(_, count)| *count > 0.0), "{rows:?}");
    }

    #[test]
    fn file_with_tests_then_they_are_counted_apart() {
        let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(parts("userspace/a/src/a.rs", text), (1, 4));
        assert_eq!(parts("userspace/a/src/b/tests.rs", text), (0, 5));
        assert_eq!(parts("userspace/a/src/type_tests.rs", text), (0, 5));
        assert_eq!(parts("tests/tests/a.rs", text), (5, 0));
    }
}
