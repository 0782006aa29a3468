//! A type can be held in one's head: it has few methods. One with more owns parts that are values.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Methods of the largest type. It only gets smaller.
const MOST: usize = 79;

/// The methods of each type of a crate, by the blocks without a trait in this text of its product code.
fn count(name: &str, text: &str, found: &mut BTreeMap<String, usize>) {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut of = None;
    for line in product.lines() {
        let declared = line.trim_start();
        if line.starts_with("impl") && !line.contains(" for ") {
            of = type_of(line);
        } else if line.starts_with('}') {
            of = None;
        } else if let Some(of) = &of
            && line.len() - declared.len() == 4
            && is_method(declared)
        {
            *found.entry(format!("{name}::{of}")).or_default() += 1;
        }
    }
}

/// The name in `impl<T> path::Name<T> {`.
fn type_of(line: &str) -> Option<String> {
    let mut rest = line.strip_prefix("impl")?;
    if rest.starts_with('<') {
        let mut depth = 0;
        let end = rest.find(|letter| {
            depth += i32::from(letter == '<') - i32::from(letter == '>');
            depth == 0
        });
        rest = &rest[end? + 1..];
    }
    let path = rest.trim_start().split(['<', ' ', '{']).next()?;
    let name = path.rsplit("::").next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

fn is_method(declared: &str) -> bool {
    let mut words = declared.split(' ');
    let first = words.find(|word| {
        !word.starts_with("pub") && !["const", "async", "unsafe", "in", "super)"].contains(word)
    });
    first == Some("fn")
}

fn collect(name: &str, folder: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                collect(name, &path, found);
            }
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            count(name, &fs::read_to_string(&path).unwrap(), found);
        }
    }
}

#[test]
fn no_type_has_more_methods_than_the_largest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if folder.join("src").is_dir() {
            collect(&name, &folder.join("src"), &mut found);
        }
    }
    let most = found.values().copied().max();
    let large: Vec<_> = found.iter().filter(|(_, it)| **it >= MOST).collect();
    assert_eq!(
        most,
        Some(MOST),
        "if it is more, give the type parts; if it is less, `MOST` is that: {large:#?}"
    );
}

#[test]
fn methods_are_counted_without_traits_tests_and_functions() {
    let text = "\
impl<R: Iterator<Item = u8>> a::Core<R> {
    pub(crate) const fn one(&self) {
        fn inner() {}
    }

    pub(in crate::b) fn two<T>(
    ) {
    }
}

fn apart() {
}

impl Clone for Core {
    fn clone(&self) {}
}

impl Core<u8> {
    fn three(&self) {}
}

#[cfg(test)]
mod tests {
    impl Core<u8> {
        fn four(&self) {}
    }
}
";
    let mut found = BTreeMap::new();
    count("a", text, &mut found);
    assert_eq!(found, BTreeMap::from([("a::Core".to_owned(), 3)]));
}
