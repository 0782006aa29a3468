//! How the daemon writes about itself: texts of errors, metrics, counters that show a problem, and
//! the rate limit of log lines.
//!
//! Not here: the log , and which metrics there are.

pub mod exposition;
pub mod growth;
pub mod rate_limit;

use std::error::Error;

/// An error with its chain of causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
