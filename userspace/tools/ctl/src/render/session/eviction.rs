//! Evicted clients.

use onair_api::{Eviction, EvictionList};

use crate::render::{cell, columns};

/// Answer of `session evict`.
pub(crate) fn list(list: &EvictionList) -> String {
    if list.evicted.is_empty() {
        return "No client was attached.\n".to_owned();
    }
    rows(&list.evicted)
}

/// A table of evictions.
pub(crate) fn rows(evicted: &[Eviction]) -> String {
    columns(
        evicted,
        &[
            ("#", |one| cell(one.attachment)),
            ("PID", |one| cell(one.pid)),
            ("COMMAND", |one| cell(&one.command)),
            ("CAUSE", |one| cell(one.cause)),
            ("INSIDE", |one| cell(one.callers_inside)),
            ("TAKEN BACK", |one| cell(one.frames_revoked)),
            ("SET ASIDE", |one| cell(one.frames_set_aside)),
            ("AT", |one| cell(one.at)),
        ],
    )
}
