//! The SYNC names of the code and of the architecture's page are the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::cargo::root;

/// The names behind each `SYNC:` in the Rust files of `folder`.
fn sync_names(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sync_names(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for rest in text.split("SYNC: ").skip(1) {
                let names = rest.split(['.', '(', ')', '\n']).next().unwrap_or_default();
                found.extend(names.split(',').map(|name| name.trim().to_owned()));
            }
        }
    }
}

/// The first cells of the table under `title` in `page`.
fn first_cells(page: &str, title: &str) -> BTreeSet<String> {
    let section = page.split_once(title).unwrap().1;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn sync_names_in_the_code_and_in_the_architecture_are_the_same() {
    let mut in_code = BTreeSet::new();
    sync_names(&root().join("userspace"), &mut in_code);
    assert!(in_code.remove("none"));
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    assert_eq!(in_code, first_cells(&page, "\n## SYNC names\n"));
    assert!(in_code.len() > 20, "only {} names found", in_code.len());
}
