//! One run of the bench: how much is measured, and how far it has come.

use indicatif::{ProgressBar, ProgressStyle};

/// What a property is measured with.
#[derive(Debug)]
pub(crate) struct Run {
    /// Fewer samples.
    pub(crate) quick: bool,
    bar: ProgressBar,
}

impl Run {
    pub(crate) fn new(quick: bool) -> Self {
        let bar = ProgressBar::no_length().with_style(
            ProgressStyle::with_template("   {spinner} {msg} {wide_bar} {pos}/{len} ({elapsed})")
                .expect("the template is a constant and right"),
        );
        Self { quick, bar }
    }

    /// `samples`, or a tenth of them.
    pub(crate) fn of(&self, samples: usize) -> usize {
        self.either(samples, samples.div_ceil(10))
    }

    /// The one, or the other when there is little time.
    pub(crate) fn either<T>(&self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
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
