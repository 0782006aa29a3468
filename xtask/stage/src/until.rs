//! Waiting for something that the kernel shows but does not announce.

use std::fmt::Display;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Result, bail};

/// How much slower than usual the machine is. `cargo xtask vm` measures it and sets the variable.
static SCALE: LazyLock<u32> = LazyLock::new(|| scale(env::var("ONAIR_TIME_SCALE").ok().as_deref()));

/// How much slower than usual the machine is, by `ONAIR_TIME_SCALE`: at least 1.
#[must_use]
pub fn time_scale() -> u32 {
    *SCALE
}

/// A whole number from 1 to 100; 1 for anything else.
fn scale(value: Option<&str>) -> u32 {
    value
        .and_then(|value| value.parse().ok())
        .filter(|scale| (1..=100).contains(scale))
        .unwrap_or(1)
}

/// A point in time after which waiting is an error.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    end: Instant,
    span: Duration,
}

impl Deadline {
    /// `span` from now; more where the machine is known to be slower.
    #[must_use]
    pub fn after(span: Duration) -> Self {
        let span = span.saturating_mul(*SCALE);
        Self {
            end: Instant::now() + span,
            span,
        }
    }

    /// `seconds` from now.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        Self::after(Duration::from_secs(seconds))
    }

    /// What is left; zero once it has passed.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.left().is_zero()
    }

    /// How long it was from the beginning.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.span
    }
}

/// Asks `look` again and again until it gives `Some`, less often the longer it takes (1–20 ms):
/// for state in `/proc` and in other processes for which there is no event.
pub fn until<T>(
    what: impl Display,
    deadline: Deadline,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if deadline.passed() {
            bail!("waited {:?} in vain for {what}", deadline.span());
        }
        thread::sleep(pause.min(deadline.left()));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Waits until `look` gives true, for `seconds` at the most; see [`until`].
pub fn wait_for(
    what: impl Display,
    seconds: u64,
    mut look: impl FnMut() -> Result<bool>,
) -> Result<()> {
    until(what, Deadline::seconds(seconds), || {
        Ok(look()?.then_some(()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_is_a_number_within_its_bounds_or_1() {
        assert_eq!(scale(None), 1);
        assert_eq!(scale(Some("12")), 12);
        for wrong in ["", "0", "101", "-3", "2.5", "many"] {
            assert_eq!(scale(Some(wrong)), 1);
        }
    }
}
