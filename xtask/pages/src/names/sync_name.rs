//! The pairs of atomic accesses: the page's table has those that comments in the code name.

use std::collections::BTreeSet;

use crate::source::Sources;
use crate::{Fault, Page};

const PAGE: &str = "docs/architecture.md";
const HEADING: &str = "## SYNC names";

pub(crate) fn faults(page: &Page, sources: &Sources) -> Vec<Fault> {
    let mut found = Vec::new();
    if page.path != PAGE {
        return found;
    }
    let mut listed = BTreeSet::new();
    let (mut is_here, mut heading) = (false, 1);
    for (number, line) in page.prose() {
        if line.starts_with("## ") {
            is_here = line == HEADING;
            heading = if is_here { number } else { heading };
        }
        let name = line.strip_prefix("| `").and_then(|it| it.split('`').next());
        if let Some(name) = name.filter(|_| is_here) {
            listed.insert(name.to_owned());
            if !sources.sync_names.contains(name) {
                let what = format!("no comment in the code has `SYNC: {name}`");
                found.push(Fault::new(PAGE, number, what, "take the row away"));
            }
        }
    }
    for name in sources.sync_names.difference(&listed) {
        let what = format!("no row for `SYNC: {name}`");
        found.push(Fault::new(
            PAGE,
            heading,
            what,
            "add its sides and orderings",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_then_a_fault_for_each() {
        let mut sources = Sources::default();
        sources.add_sync_names("// SYNC: kick, ack. Why.\n// SYNC: none\n");
        let text =
            "## Other\n| `no` |\n## SYNC names\n\n| name |\n|---|\n| `ack` | a |\n| `gone` | b |\n";
        let found = faults(&Page::new(PAGE, text), &sources);
        let found: Vec<_> = found.iter().map(|it| (it.line, &*it.what)).collect();
        let expected = [
            (8, "no comment in the code has `SYNC: gone`"),
            (3, "no row for `SYNC: kick`"),
        ];
        assert_eq!(found, expected);
    }
}
