//! How long tests take: in this run, and in the last one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;
use std::{fs, io};

use crate::cargo;
use crate::say;

/// Tests that the summary names.
const SLOWEST: usize = 20;

/// Seconds by name.
type Seconds = BTreeMap<String, f64>;

/// Times of the tests of one program. With several at a time, that of one is from the end of the one before.
#[derive(Debug)]
pub(crate) struct TestTimes {
    before: Seconds,
    now: Seconds,
    /// Those that ran by themselves.
    alone: Seconds,
    is_alone: bool,
    /// Whether all tests of the program run.
    all: bool,
    count: usize,
    ended: Instant,
}

impl TestTimes {
    /// Reads the times of the last run, if there was one.
    pub(crate) fn open(all: bool) -> Self {
        let text = fs::read_to_string(file()).unwrap_or_default();
        Self::after(serde_json::from_str(&text).unwrap_or_default(), all)
    }

    fn after(before: Seconds, all: bool) -> Self {
        Self {
            before,
            now: Seconds::new(),
            alone: Seconds::new(),
            is_alone: true,
            all,
            count: 0,
            ended: Instant::now(),
        }
    }

    /// The next tests run one after the other, or several at a time.
    pub(crate) fn begin(&mut self, is_alone: bool) {
        self.is_alone = is_alone;
    }

    /// Takes a line of the test program, and gives it back with the progress.
    pub(crate) fn line(&mut self, line: &str) -> String {
        let now = Instant::now();
        if let Some(rest) = line.strip_prefix("running ") {
            let number = rest.split(' ').next().and_then(|it| it.parse().ok());
            self.count = self.now.len() + number.unwrap_or(0);
            self.ended = now;
        }
        let Some((name, _)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "))
        else {
            return line.to_owned();
        };
        let took = now - std::mem::replace(&mut self.ended, now);
        self.now.insert(name.to_owned(), took.as_secs_f64());
        if self.is_alone {
            self.alone.insert(name.to_owned(), took.as_secs_f64());
        }
        let (number, count) = (self.now.len(), self.count);
        format!(
            "{number:>3}/{count} {line} ({:.1} s){}",
            took.as_secs_f64(),
            self.left()
        )
    }

    /// What the tests that are left took in the last run, if all run.
    fn left(&self) -> String {
        let is_left = |(name, _): &(&String, &f64)| !self.now.contains_key(*name);
        let left: f64 = self.before.iter().filter(is_left).map(|(_, it)| it).sum();
        if !self.all || left == 0.0 {
            return String::new();
        }
        format!(", about {:.0} min left", (left / 60.0).ceil())
    }

    /// Names the slowest tests of those that ran by themselves, and keeps the times for the next run: with those of tests
    /// that did not run, unless all did.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn close(mut self) -> io::Result<()> {
        let mut slowest: Vec<_> = self.alone.iter().collect();
        slowest.sort_by(|a, b| b.1.total_cmp(a.1));
        if slowest.len() > SLOWEST {
            say::note("slowest tests:");
            for (name, seconds) in &slowest[..SLOWEST] {
                say::note(format_args!("{seconds:>7.1} s  {name}"));
            }
        }
        if self.all {
            self.before.clear();
        }
        self.before.append(&mut self.now);
        fs::write(file(), serde_json::to_vec(&self.before)?)
    }
}

fn file() -> PathBuf {
    cargo::target().join("test-times.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_test_program_then_counted_with_what_is_left() {
        let before = [("a", 10.0), ("b", 50.0), ("c", 90.0)];
        let before = before.map(|(name, seconds)| (name.to_owned(), seconds));
        let mut times = TestTimes::after(before.into(), true);
        assert_eq!(times.line("running 3 tests"), "running 3 tests");
        let first = times.line("test a ... ok");
        assert!(first.starts_with("  1/3 test a ... ok ("), "{first}");
        assert!(first.ends_with("about 3 min left"), "{first}");
        assert!(times.line("test c ... ok").ends_with("about 1 min left"));
        assert!(times.line("test b ... FAILED").ends_with("s)"));
        assert_eq!(times.line("failures:"), "failures:");
    }

    #[test]
    fn run_of_some_tests_then_no_forecast() {
        let before = [("a".to_owned(), 1.0), ("b".to_owned(), 1.0)];
        let mut times = TestTimes::after(before.into(), false);
        times.line("running 1 test");
        assert!(times.line("test a ... ok").ends_with("s)"));
    }
}
