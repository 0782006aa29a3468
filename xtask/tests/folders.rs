//! A folder of Rust sources has few enough files to read its list at a glance.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Most files directly in one folder.
const MOST: usize = 12;

/// Adds each folder below `folder` that has too many sources, by its path from `root`.
fn collect(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, root, found);
            }
        } else if name.ends_with(".rs") {
            files += 1;
        }
    }
    if files > MOST {
        found.insert(folder.strip_prefix(root).unwrap().display().to_string());
    }
}

#[test]
fn no_folder_has_too_many_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    collect(&root, &root, &mut found);
    assert!(found.is_empty(), "more than {MOST} files each: {found:#?}");
}

#[test]
fn only_sources_directly_in_the_folder_count() {
    let root = tempfile::tempdir().unwrap();
    let make = |folder: &str, files: usize, extension: &str| {
        let folder = root.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        for n in 0..files {
            fs::write(folder.join(format!("{n}.{extension}")), "").unwrap();
        }
    };
    make("a", MOST, "rs");
    make("a", 1, "txt");
    make("a/b", MOST + 1, "rs");
    make("target", MOST + 1, "rs");
    let mut found = BTreeSet::new();
    collect(root.path(), root.path(), &mut found);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a/b"]);
}
