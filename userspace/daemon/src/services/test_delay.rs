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

    /// Sleeps if `kind` is the slow one.
    pub fn step(&self, kind: &str) {
        if let Some((slow, longer)) = self.0
            && slow == kind
        {
            std::thread::sleep(longer);
        }
    }
}
