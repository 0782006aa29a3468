//! What `cargo xtask demo` builds, it builds once: xtask asks of each crate the features that the demo's programs ask.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// The features of each crate that these packages build: more than one set, if the host's programs need another.
fn features(packages: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--locked", "--no-dedupe"]);
    tree.args(["--prefix", "none", "--edges", "normal,build"]);
    tree.args(["--format", "{p}|{f}"]);
    for package in packages {
        tree.args(["--package", package]);
    }
    let tree = tree.output().expect("cargo");
    assert!(tree.status.success(), "{tree:?}");
    let text = String::from_utf8(tree.stdout).expect("UTF-8");
    let mut all = BTreeMap::<_, BTreeSet<_>>::new();
    // An empty line stands between two packages.
    for (package, features) in text.lines().filter_map(|it| it.split_once('|')) {
        let sets = all.entry(package.to_owned()).or_default();
        sets.insert(features.to_owned());
    }
    all
}

#[test]
fn crate_of_xtask_and_the_demo_then_the_same_features() {
    let xtask = features(&["xtask"]);
    let demo = features(&[
        "onaird",
        "onairctl",
        "onair-convert",
        "onair-waiters",
        "onair-tests",
    ]);
    let both = xtask
        .iter()
        .filter_map(|(it, sets)| Some((it, sets, demo.get(it)?)));
    let twice: Vec<_> = both
        .filter(|(_, ours, theirs)| !ours.is_subset(theirs))
        .collect();
    assert!(xtask.len() > 50, "{xtask:#?}");
    assert!(
        twice.is_empty(),
        "built twice, see xtask/Cargo.toml: {twice:#?}"
    );
}
