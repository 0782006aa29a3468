//! Values of arguments, as a user writes them.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Why the value of an argument is invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidArgument {
    #[error("{0}: write it as 500ms, 5s or 1m30s")]
    Duration(humantime::DurationError),
    #[error("a duration cannot be negative: write it as 500ms, 5s or 1m30s")]
    Negative,
    #[error("no duration: give one, such as 5s, before the next flag")]
    Flag,
    #[error("{0}; or a moment as 2026-01-31T12:00:00Z")]
    Moment(Box<Self>),
    #[error("that is too long ago: give a shorter time, or a moment as 2026-01-31T12:00:00Z")]
    BeforeTime,
    #[error("the shortest interval is 100ms")]
    ShortInterval,
    #[error("the longest wait is a day (24h)")]
    LongWait,
    #[error("{0:?} is no size: write it as 65536, 500MB or 2GiB")]
    Size(String),
    #[error("give destroy, destroy_wait, shutdown, abort or quarantine")]
    Operation,
}

/// Parses a duration with a unit: `500ms`, `5s`, `1m30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, InvalidArgument> {
    match text.strip_prefix('-') {
        Some(rest) if rest.starts_with('-') => Err(InvalidArgument::Flag),
        Some(_) => Err(InvalidArgument::Negative),
        None => humantime::parse_duration(text).map_err(InvalidArgument::Duration),
    }
}

/// Milliseconds, rounded up.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// One of the words of `all`, as documents have them.
pub(crate) fn word<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    of: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let words = PossibleValuesParser::new(all.iter().map(move |it| of(*it)));
    let value = move |text: String| {
        let found = all.iter().copied().find(|it| of(*it) == text);
        found.expect("clap takes no other word")
    };
    words.map(value)
}
