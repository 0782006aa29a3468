//! Evicted clients.

use onair_types::{Eviction, EvictionList};

use super::{cell, print, table};

/// Answer of `session evict`.
pub(crate) fn list(list: &EvictionList) -> String {
    if list.evicted.is_empty() {
        return "No client was attached.\n".to_owned();
    }
    rows(&list.evicted)
}

/// A table of evictions.
pub(crate) fn rows(evicted: &[Eviction]) -> String {
    let mut table = table(&[
        "#",
        "PID",
        "COMMAND",
        "CAUSE",
        "INSIDE",
        "TAKEN BACK",
        "SET ASIDE",
        "AT",
    ]);
    for one in evicted {
        table.add_row([
            cell(one.attachment),
            cell(one.pid),
            cell(&one.command),
            cell(one.cause),
            cell(one.callers_inside),
            cell(one.frames_revoked),
            cell(one.frames_set_aside),
            cell(one.at),
        ]);
    }
    print(table)
}
