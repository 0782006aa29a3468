//! How the commands speak to people. Colours and the spinner are there on a terminal only.
//!
//! All of it goes to stderr: stdout is for what a program may want to read.

use std::fmt::Display;
use std::time::{Duration, Instant};

use console::style;
use indicatif::{ProgressBar, ProgressStyle};

/// The title of a large step.
pub(crate) fn step(what: impl Display) {
    eprintln!(
        "\n{} {}",
        style("──").cyan().for_stderr(),
        style(what).bold().for_stderr()
    );
}

/// Something that went as it should.
pub(crate) fn good(what: impl Display) {
    eprintln!("   {} {what}", style("✓").green().for_stderr());
}

/// Something to know, neither good nor bad.
pub(crate) fn note(what: impl Display) {
    eprintln!("   {what}");
}

/// Something that is less than it should be, but goes on.
pub(crate) fn warning(what: impl Display) {
    eprintln!("   {}", style(format!("! {what}")).yellow().for_stderr());
}

/// What went wrong.
pub(crate) fn failure(what: impl Display) {
    eprintln!("{}", style(format!("✗ {what}")).red().bold().for_stderr());
}

/// A command line that is about to be run, as the reader would type it.
pub(crate) fn command(line: impl Display) {
    eprintln!("   {} {line}", style("$").dim().for_stderr());
}

/// Shows that `what` is under way while `work` runs.
pub(crate) fn wait<T>(what: impl Display, work: impl FnOnce(&ProgressBar) -> T) -> T {
    let bar = ProgressBar::new_spinner()
        .with_style(
            ProgressStyle::with_template("   {spinner} {msg} ({elapsed})")
                .expect("the template is a constant and right"),
        )
        .with_message(what.to_string());
    bar.enable_steady_tick(Duration::from_millis(120));
    let result = work(&bar);
    bar.finish_and_clear();
    result
}

#[derive(PartialEq)]
enum Counts {
    Yes,
    No,
}

/// Times of steps, and what was left out, for the summary.
#[derive(Default)]
pub(crate) struct Times {
    /// In their order; those that ran beside the one before them do not count in the sum.
    steps: Vec<(String, Duration, Counts)>,
    remarks: Vec<String>,
}

impl Times {
    /// Does `work` under the title `what`, and notes how long it took.
    pub(crate) fn step<T>(&mut self, what: impl Display, work: impl FnOnce() -> T) -> T {
        step(&what);
        let begin = Instant::now();
        let result = work();
        self.steps
            .push((what.to_string(), begin.elapsed(), Counts::Yes));
        result
    }

    /// Notes how long something took that ran beside the last step.
    pub(crate) fn beside(&mut self, what: impl Display, took: Duration) {
        self.steps
            .push((format!("  beside: {what}"), took, Counts::No));
    }

    /// Notes what does not run on this machine.
    pub(crate) fn leave_out(&mut self, what: impl Display) {
        self.remark(format_args!("left out: {what}"));
    }

    /// Notes what the reader should see beside the times.
    pub(crate) fn remark(&mut self, what: impl Display) {
        self.remarks.push(what.to_string());
    }

    /// A line a step, the sum, and what was left out.
    pub(crate) fn summary(&self) {
        step("Summary");
        let width = self
            .steps
            .iter()
            .map(|(what, ..)| what.chars().count())
            .max()
            .unwrap_or(0);
        for (what, time, _) in &self.steps {
            note(format_args!(
                "{what:<width$}  {:>7.1} s",
                time.as_secs_f64()
            ));
        }
        let counted = self.steps.iter().filter(|it| it.2 == Counts::Yes);
        let all: Duration = counted.map(|(_, time, _)| *time).sum();
        note(format_args!(
            "{:<width$}  {:>7.1} s",
            "all",
            all.as_secs_f64()
        ));
        for what in &self.remarks {
            warning(what);
        }
    }
}
