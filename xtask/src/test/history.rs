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

/// Times of the tests of one program. Where it does not say that of one itself, it is from the end of the one before.
#[derive(Debug)]
pub(crate) struct TestTimes {
    before: Seconds,
    now: Seconds,
    /// Whether all tests of the program run.
    all: bool,
    count: usize,
    ended: Instant,
    /// Seconds that all in `now` took together, which is less than their sum with several at a time.
    together: f64,
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
            all,
            count: 0,
            ended: Instant::now(),
            together: 0.0,
        }
    }

    /// Takes a line of the test program, and gives it back with the progress.
    pub(crate) fn line(&mut self, line: &str) -> String {
        let now = Instant::now();
        if let Some(rest) = line.strip_prefix("running ") {
            let number = rest.split(' ').next().and_then(|it| it.parse().ok());
            self.count = self.now.len() + number.unwrap_or(0);
            self.ended = now;
        }
        let Some((name, outcome)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "))
        else {
            return line.to_owned();
        };
        let since = (now - std::mem::replace(&mut self.ended, now)).as_secs_f64();
        self.together += since;
        let (outcome, took) = told(outcome).unwrap_or((outcome, since));
        self.now.insert(name.to_owned(), took);
        let (number, count) = (self.now.len(), self.count);
        format!(
            "{number:>3}/{count} test {name} ... {outcome} ({took:.1} s){}",
            self.left()
        )
    }

    /// What the tests that are left took in the last run, if all run, with as many at a time as up to now.
    fn left(&self) -> String {
        let is_left = |(name, _): &(&String, &f64)| !self.now.contains_key(*name);
        let left: f64 = self.before.iter().filter(is_left).map(|(_, it)| it).sum();
        if !self.all || left == 0.0 {
            return String::new();
        }
        let share = self.together / self.now.values().sum::<f64>();
        format!(", about {:.0} min left", (left * share / 60.0).ceil())
    }

    /// Names the slowest tests, and keeps the times for the next run: with those of tests
    /// that did not run, unless all did.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn close(mut self) -> io::Result<()> {
        let mut slowest: Vec<_> = self.now.iter().collect();
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

/// What `ok <1.234s>` says.
fn told(outcome: &str) -> Option<(&str, f64)> {
    let (outcome, time) = outcome.strip_suffix("s>")?.split_once(" <")?;
    Some((outcome, time.parse().ok()?))
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
        let two_at_a_time = TestTimes {
            together: 10.0,
            now: [("a".to_owned(), 20.0)].into(),
            ..TestTimes::after(times.before.clone(), true)
        };
        assert_eq!(two_at_a_time.left(), ", about 2 min left");
        let last = times.line("test b ... FAILED <12.345s>");
        assert_eq!(last, "  3/3 test b ... FAILED (12.3 s)");
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
