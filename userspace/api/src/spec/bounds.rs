//! Checks of single values, and the list of what they find.

use std::ops::RangeInclusive;

use onair_essence::invalid;

use super::invalid::Invalid;
use super::{
    DEFAULT_ATTACHMENTS, DEFAULT_PRIORITY, DEFAULT_QUOTA, MAX_ATTACHMENTS, MAX_DURATION_MS,
    MAX_PRIORITY, MAX_QUOTA,
};

pub(super) fn within<T>(
    given: T,
    range: RangeInclusive<T>,
    unit: &'static str,
) -> Result<T, Invalid>
where
    T: Copy + PartialOrd + Into<u64>,
{
    Ok(invalid::within(given, range, unit)?)
}

pub(super) fn check_quota(frames: Option<u32>) -> Result<u32, Invalid> {
    within(frames.unwrap_or(DEFAULT_QUOTA), 1..=MAX_QUOTA, " frames")
}

pub(super) fn check_attachments(number: Option<u32>) -> Result<u32, Invalid> {
    let given = number.unwrap_or(DEFAULT_ATTACHMENTS);
    within(given, 1..=MAX_ATTACHMENTS, " attachments")
}

pub(super) fn check_priority(priority: Option<u32>) -> Result<u8, Invalid> {
    let given = priority.unwrap_or(DEFAULT_PRIORITY.into());
    within(given, 0..=MAX_PRIORITY.into(), "")
        .map(|given| u8::try_from(given).expect("it is at most MAX_PRIORITY"))
}

pub(super) fn check_duration(ms: Option<u64>) -> Result<Option<u64>, Invalid> {
    match ms {
        None => Ok(None),
        Some(0) => Err(Invalid::NoDuration),
        Some(ms) => within(ms, 1..=MAX_DURATION_MS, " milliseconds").map(Some),
    }
}
