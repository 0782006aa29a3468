//! The pages of the project name its files: a file that moved is found by a test.

use std::fs;
use std::path::Path;

use crate::cargo::root;

/// Where a page may begin a path.
const BASES: [&str; 4] = ["", "userspace", "userspace/daemon/src", "userspace/daemon"];

/// The words of a page that look like the path of a source file: `session/drain.rs`.
fn paths(page: &str) -> impl Iterator<Item = &str> {
    let words = page.split(|letter: char| letter.is_whitespace() || "`,;:()|".contains(letter));
    words.filter(|word| word.contains('/') && word.ends_with(".rs") && !word.contains(['*', '{']))
}

fn exists(path: &str) -> bool {
    let mut bases = BASES.iter().map(|base| root().join(base).join(path));
    bases.any(|path: std::path::PathBuf| Path::exists(&path))
}

#[test]
fn pages_name_only_files_that_exist() {
    let mut checked = 0;
    for page in [
        "CONTRIBUTING.md",
        "docs/glossary.md",
        "docs/architecture.md",
        "docs/failure-and-upgrade.md",
    ] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        for path in paths(&text) {
            assert!(exists(path), "{page} names {path}, which is not there");
            checked += 1;
        }
    }
    assert!(checked > 30, "only {checked} paths found");
}
