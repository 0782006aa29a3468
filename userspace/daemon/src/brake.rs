//! A test makes one kind of step of the control thread slow.

use std::time::Duration;

/// Makes one kind of step slow: how tests show that it keeps nothing else from being served.
#[derive(Debug, Default)]
pub struct Brake(Option<(&'static str, Duration)>);

impl Brake {
    /// From now on each step of `kind` takes `longer`.
    pub fn set(&mut self, kind: &'static str, longer: Duration) {
        self.0 = Some((kind, longer));
    }

    /// Takes longer if `kind` is the slow one.
    pub fn step(&self, kind: &str) {
        if let Some((slow, longer)) = self.0
            && slow == kind
        {
            std::thread::sleep(longer);
        }
    }
}
