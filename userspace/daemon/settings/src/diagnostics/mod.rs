//! How the daemon writes about itself: texts of errors, metrics, counters that show a problem, and
//! the rate limit of log lines.
//!
//! Not here: the log , and which metrics there are.

pub mod error_chain;
pub mod exposition;
pub mod growth;
pub mod rate_limit;
