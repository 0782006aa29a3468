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
    /// Of a step, with what ran beside it.
    processor_seconds: Vec<(String, f64)>,
    remarks: Vec<String>,
}

impl Times {
    /// Does `work` under the title `what`, and notes how long it took.
    pub(crate) fn step<T>(&mut self, what: impl Display, work: impl FnOnce() -> T) -> T {
        step(&what);
        let (begin, before) = (Instant::now(), processor_seconds());
        let result = work();
        self.steps
            .push((what.to_string(), begin.elapsed(), Counts::Yes));
        self.processor_seconds
            .push((what.to_string(), processor_seconds() - before));
        result
    }

    /// Notes how long something took that ran beside the last step.
    pub(crate) fn beside(&mut self, what: impl Display, took: Duration) {
        self.steps
            .push((format!("  beside: {what}"), took, Counts::No));
    }

    /// What each step took: seconds, and seconds of processor with what ran beside it.
    pub(crate) fn seconds(&self) -> impl Iterator<Item = (String, f64)> {
        let steps = self.steps.iter();
        let steps = steps.map(|(what, time, _)| (format!("{what}, s"), time.as_secs_f64()));
        let processor = self.processor_seconds.iter();
        let processor = processor.map(|(what, took)| (format!("{what}, processor s"), *took));
        steps.chain(processor)
    }

    /// Notes what does not run on this machine.
    pub(crate) fn leave_out(&mut self, what: impl Display) {
        self.remark(format_args!("left out: {what}"));
    }

    /// Notes what the reader should see beside the times.
    pub(crate) fn remark(&mut self, what: impl Display) {
        self.remarks.push(what.to_string());
    }

    /// The sum of the steps, and what was left out.
    pub(crate) fn summary(&self) {
        step("Summary");
        let counted = self.steps.iter().filter(|it| it.2 == Counts::Yes);
        let all: Duration = counted.map(|(_, time, _)| *time).sum();
        note(format_args!("all: {:.1} s", all.as_secs_f64()));
        for what in &self.remarks {
            warning(what);
        }
    }
}

/// Of all processes that this one has started and that have ended (`cutime` and `cstime` of proc_pid_stat(5)).
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: f64 = ticks.filter_map(|it| it.parse::<f64>().ok()).sum();
    ticks / rustix::param::clock_ticks_per_second() as f64
}
