//! Where a manifest says that there are no unit tests or no examples in the docs, there are none: cargo would
//! neither run nor miss them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What runs where it is switched on.
#[derive(Clone, Copy)]
enum Kind {
    UnitTests,
    Examples,
}

impl Kind {
    const fn option(self) -> &'static str {
        match self {
            Self::UnitTests => "test",
            Self::Examples => "doctest",
        }
    }

    fn is_in(self, text: &str) -> bool {
        match self {
            Self::UnitTests => text.lines().any(|line| line.trim() == "#[test]"),
            Self::Examples => has_example(text),
        }
    }
}

/// Whether a doc comment has an example that cargo would run or build.
fn has_example(text: &str) -> bool {
    let comments = text.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"))
    });
    let fences = comments.filter_map(|line| line.trim().strip_prefix("```"));
    fences
        .step_by(2)
        .any(|of| of.is_empty() || of.contains("rust") || of.contains("no_run"))
}

/// The sources below the folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The folder of each library and program of the workspace, and whether it is switched on there.
fn folders(kind: Kind) -> Vec<(PathBuf, bool)> {
    let cargo = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .output()
        .unwrap();
    let all: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = all["packages"].as_array().unwrap();
    let targets = packages
        .iter()
        .flat_map(|it| it["targets"].as_array().unwrap());
    let built = targets.filter(|it| {
        let kinds = it["kind"].as_array().unwrap();
        let is = |name: &str| kinds.iter().any(|kind| kind == name);
        is("lib") || is("rlib") || is("cdylib") || is("bin") && matches!(kind, Kind::UnitTests)
    });
    let folder = |it: &Value| {
        let path = Path::new(it["src_path"].as_str().unwrap());
        path.parent().unwrap().canonicalize().unwrap()
    };
    built
        .map(|it| (folder(it), it[kind.option()] == true))
        .collect()
}

fn missed(kind: Kind) -> BTreeSet<PathBuf> {
    let all = folders(kind);
    assert!(all.iter().any(|it| it.1) && all.iter().any(|it| !it.1));
    let mut missed = BTreeSet::new();
    for (folder, _) in &all {
        // A library that is built twice, with other words, is tested once.
        if all.iter().any(|it| it.0 == *folder && it.1) {
            continue;
        }
        let mut files = Vec::new();
        sources(folder, &mut files);
        let of_another = |file: &Path| all.iter().any(|it| it.1 && file.starts_with(&it.0));
        let text = |file: &PathBuf| fs::read_to_string(file).unwrap();
        files.retain(|file| !of_another(file) && kind.is_in(&text(file)));
        missed.extend(files);
    }
    missed
}

#[test]
fn unit_tests_switched_off_then_there_are_none() {
    let found = missed(Kind::UnitTests);
    assert!(found.is_empty(), "`test = false`, and a test in {found:#?}");
}

#[test]
fn examples_switched_off_then_there_are_none() {
    let found = missed(Kind::Examples);
    assert!(
        found.is_empty(),
        "`doctest = false`, and an example in {found:#?}"
    );
}

#[test]
fn example_in_a_doc_comment_is_found_and_plain_text_is_not() {
    assert!(has_example("/// Adds.\n/// ```\n/// add();\n/// ```\n"));
    assert!(has_example(
        "//! ```text\n//! a\n//! ```\n//! ```no_run\n//! ```\n"
    ));
    assert!(!has_example(
        "/// ```text\n/// a\n/// ```\nlet a = \"```\";\n"
    ));
}
