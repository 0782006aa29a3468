//! The pages of the project name its files and its SYNC names: a test finds what moved.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cargo::root;

/// Where a page may begin a path.
const BASES: [&str; 6] = [
    "",
    "userspace",
    "userspace/daemon/src",
    "userspace/daemon",
    "userspace/ipc/src",
    "userspace/ipc/tests",
];

/// The pages that people write.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("CONTRIBUTING.md")];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "md") {
            pages.push(path);
        }
    }
    pages
}

/// The words of a page that look like the path of a source file: `session/drain.rs`.
fn paths(page: &str) -> impl Iterator<Item = &str> {
    let words = page.split(|letter: char| letter.is_whitespace() || "`,;:()|".contains(letter));
    words.filter(|word| word.contains('/') && word.ends_with(".rs") && !word.contains(['*', '{']))
}

fn exists(path: &str) -> bool {
    let mut bases = BASES.iter().map(|base| root().join(base).join(path));
    bases.any(|path: PathBuf| path.exists())
}

#[test]
fn pages_name_only_files_that_exist() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for path in paths(&text) {
            let page = page.display();
            assert!(exists(path), "{page} names {path}, which is not there");
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} paths found");
}

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
