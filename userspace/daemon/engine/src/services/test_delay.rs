//! Lets a test slow down one kind of step of the control thread.

use std::time::Duration;

/// Slows down one kind of step: tests show with it that the step does not block other work.
#[derive(Debug, Default)]
pub struct TestDelay(Option<(&'static str, Duration)>);

impl TestDelay {
    /// Makes each step of `kind` take `longer` from now on.
    pub fn set(&mut self, kind: &'static str, longer: Duration) {
        self.0 = Some((kind, longer));
    }

    /// How much longer a step of `kind` takes.
    #[must_use]
    pub fn of(&self, kind: &str) -> Option<Duration> {
        let (_, longer) = self.0.filter(|(slow, _)| *slow == kind)?;
        Some(longer)
    }
}
