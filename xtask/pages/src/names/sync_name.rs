//! The pairs of atomic accesses: the table in the code's documentation has those that comments name.

use crate::Fault;
use crate::source::{SYNC_TABLE, Sources};

pub(crate) fn faults(sources: &Sources) -> Vec<Fault> {
    let rows = sources.sync_rows.iter();
    let gone = rows.filter(|(name, _)| !sources.sync_names.contains(*name));
    let gone = gone.map(|(name, line)| {
        let what = format!("no comment in the code has `SYNC: {name}`");
        Fault::new(SYNC_TABLE, *line, what, "take the row away")
    });
    let names = sources.sync_names.iter();
    let new = names.filter(|name| !sources.sync_rows.contains_key(*name));
    let new = new.map(|name| {
        let what = format!("no row for `SYNC: {name}`");
        Fault::new(SYNC_TABLE, 1, what, "add its sides and orderings")
    });
    gone.chain(new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_then_a_fault_for_each() {
        let mut sources = Sources::default();
        sources.add_sync_names("// SYNC: kick, ack. Why.\n// SYNC: none\n");
        sources.add_sync_rows("//! | name |\n//! |---|\n//! | `ack` | a |\n//! | `gone` | b |\n");
        let found = faults(&sources);
        let found: Vec<_> = found.iter().map(|it| (it.line, &*it.what)).collect();
        let expected = [
            (4, "no comment in the code has `SYNC: gone`"),
            (1, "no row for `SYNC: kick`"),
        ];
        assert_eq!(found, expected);
    }
}
