//! Names, above all those of tests, are short enough for a line of a report.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Most characters of a name.
const MOST: usize = 60;

/// Names that have more. This list only gets shorter.
const KNOWN: [&str; 4] = [
    "figures_are_judged_by_the_smaller_of_the_declared_cmax_and_that_of_the_type",
    "first_packet_near_an_own_offset_is_of_the_unit_of_that_offset",
    "source_that_pauses_then_its_second_ends_without_it_at_the_time_of_its_last_packet",
    "verdict_needs_a_whole_unit_and_ends_with_a_window_that_has_none",
];

/// The names in `text` that are too long. Test names have an underscore, long digests have none.
/// Macros make tests too, so the whole text counts, not only what follows `fn`.
fn long_names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_alphanumeric() && it != '_')
        .filter(|it| it.len() > MOST && it.contains('_'))
}

/// Adds the names of each source below `folder` that are too long.
fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, found);
            }
        } else if name.ends_with(".rs") && !path.ends_with("xtask/tests/names.rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(long_names(&text).map(str::to_owned));
        }
    }
}

#[test]
fn names_that_are_too_long_are_the_known_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    collect(&root, &mut found);
    let known: BTreeSet<_> = KNOWN.iter().map(|it| (*it).to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "more than {MOST} characters each: {new:#?}");
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(
        gone.is_empty(),
        "no long names any more, take them off: {gone:#?}"
    );
}

#[test]
fn name_of_a_function_or_in_a_macro_is_found_if_it_is_too_long() {
    let [most, more] = [MOST, MOST + 1].map(|it| format!("a_{}", "b".repeat(it - 2)));
    let text = format!(
        "#[test] fn {most}() {{}}\n#[test] fn {more}() {{}}\ntests! {{ {more}: 1; }}\n\"{}\"",
        "0".repeat(MOST + 1)
    );
    let found: Vec<_> = long_names(&text).collect();
    assert_eq!(found, [&more, &more]);
}
