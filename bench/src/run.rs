//! One run of the bench: how much is measured, and how far it has come.

use indicatif::{ProgressBar, ProgressStyle};

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Fewer samples.
    Quick,
    Whole,
    /// As `Whole`; a row whose last percentiles need it takes ten minutes for each case.
    Long,
}

/// What a property is measured with.
#[derive(Debug)]
pub(crate) struct Run {
    length: Length,
    bar: ProgressBar,
}

impl Run {
    pub(crate) fn new(length: Length) -> Self {
        let bar = ProgressBar::no_length().with_style(
            ProgressStyle::with_template("   {spinner} {msg} {wide_bar} {pos}/{len} ({elapsed})")
                .expect("the template is a constant and right"),
        );
        Self { length, bar }
    }

    /// Whether there are fewer samples.
    pub(crate) fn is_quick(&self) -> bool {
        self.length == Length::Quick
    }

    /// Whether a row may take ten minutes.
    pub(crate) fn is_long(&self) -> bool {
        self.length == Length::Long
    }

    /// `samples`, or a tenth of them.
    pub(crate) fn of(&self, samples: usize) -> usize {
        self.either(samples, samples.div_ceil(10))
    }

    /// The one, or the other when there is little time.
    pub(crate) fn either<T>(&self, whole: T, quick: T) -> T {
        if self.is_quick() { quick } else { whole }
    }

    /// Begins a case of `steps` steps.
    pub(crate) fn case(&self, what: impl Into<String>, steps: usize) {
        self.bar.set_message(what.into());
        self.bar.set_length(steps as u64);
        self.bar.set_position(0);
    }

    /// A step is done.
    pub(crate) fn step(&self) {
        self.bar.inc(1);
    }

    /// Nothing is under way any more.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
