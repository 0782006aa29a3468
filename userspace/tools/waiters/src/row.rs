//! One blocked caller, and the merging of several sources.

use std::collections::BTreeMap;
use std::fs;

use onair_ebpf::layout::{self, Waiter};
use serde::Serialize;

use crate::clock::Now;

/// RowSource of a row. Earlier ones take precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RowSource {
    /// The tool's own probe.
    Probe,
    /// The map of a daemon's probe.
    Onaird,
    /// `/proc`.
    Proc,
}

impl RowSource {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Onaird => "onaird",
            Self::Proc => "proc",
        }
    }
}

/// A blocked caller. `None` if the source does not know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) command: String,
    pub(crate) thread: String,
    /// 16 hexadecimal digits.
    pub(crate) session: Option<String>,
    pub(crate) attachment: Option<u64>,
    pub(crate) blocked_seconds: Option<f64>,
    /// RFC 3339, UTC.
    pub(crate) since: Option<String>,
    pub(crate) source: RowSource,
}

impl Row {
    /// A row for a map's entry.
    pub(crate) fn of(waiter: &Waiter, source: RowSource, now: Now) -> Self {
        Self {
            pid: waiter.ns_tgid,
            tid: waiter.ns_tid,
            command: command(waiter.ns_tgid),
            thread: layout::text(&waiter.comm),
            session: Some(format!("{:016x}", waiter.session)),
            attachment: Some(waiter.attachment),
            blocked_seconds: Some(now.seconds_since(waiter.since)),
            since: Some(now.wall_at(waiter.since)),
            source,
        }
    }
}

/// One row a thread, from the source with the highest precedence.
pub(crate) fn merge(rows: impl IntoIterator<Item = Row>) -> Vec<Row> {
    let mut best: BTreeMap<(u32, u32), Row> = BTreeMap::new();
    for row in rows {
        let place = best.entry((row.pid, row.tid));
        place
            .and_modify(|known| {
                if row.source < known.source {
                    known.clone_from(&row);
                }
            })
            .or_insert(row);
    }
    best.into_values().collect()
}

/// Name of a process; empty if it is gone.
pub(crate) fn command(pid: u32) -> String {
    name(&format!("/proc/{pid}/comm"))
}

pub(crate) fn name(path: &str) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    // Names may contain characters that control a terminal or hide in it.
    String::from_utf8_lossy(&bytes)
        .trim_end_matches('\n')
        .chars()
        .map(|c| {
            if onair_api::is_unprintable(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tid: u32, source: RowSource) -> Row {
        let now = Now {
            monotonic: 5_000_000_000,
            wall: 5_000_000_000,
        };
        let waiter = Waiter {
            ns_tgid: 1,
            ns_tid: tid,
            since: 1_000_000_000,
            ..Waiter::default()
        };
        Row::of(&waiter, source, now)
    }

    #[test]
    fn merge_several_sources_then_one_row_a_thread_of_the_best() {
        let merged = merge([
            row(3, RowSource::Proc),
            row(2, RowSource::Proc),
            row(2, RowSource::Probe),
            row(2, RowSource::Onaird),
        ]);
        let seen: Vec<_> = merged.iter().map(|row| (row.tid, row.source)).collect();
        assert_eq!(seen, [(2, RowSource::Probe), (3, RowSource::Proc)]);
        assert_eq!(merged[0].blocked_seconds, Some(4.0));
        assert_eq!(merged[0].since.as_deref(), Some("1970-01-01T00:00:01.000Z"));
    }
}
