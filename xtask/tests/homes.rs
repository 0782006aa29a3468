//! The methods of a type stand in the type's file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Item, Type};

/// Inherent `impl` blocks in another file than their type's. They only get fewer.
const MOST: usize = 146;

/// The types of a crate with their files, and the types whose inherent `impl` blocks a file has.
#[derive(Default)]
struct Crate {
    homes: BTreeMap<String, BTreeSet<PathBuf>>,
    blocks: Vec<(String, PathBuf)>,
}

impl Crate {
    fn add(&mut self, path: &Path, items: &[Item]) {
        for item in items {
            let name = match item {
                Item::Struct(it) => &it.ident,
                Item::Enum(it) => &it.ident,
                Item::Union(it) => &it.ident,
                Item::Mod(it) if it.ident != "tests" => {
                    self.add(path, it.content.as_ref().map_or(&[], |it| &it.1));
                    continue;
                }
                Item::Impl(it) if it.trait_.is_none() => {
                    if let Type::Path(of) = &*it.self_ty {
                        let of = of.path.segments.last().unwrap().ident.to_string();
                        self.blocks.push((of, path.to_owned()));
                    }
                    continue;
                }
                _ => continue,
            };
            let homes = self.homes.entry(name.to_string()).or_default();
            homes.insert(path.to_owned());
        }
    }

    fn collect(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("tests") {
                    self.collect(&path);
                }
            } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
                let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
                self.add(&path, &file.items);
            }
        }
    }

    /// Each block away from its type, as `file: type`.
    fn away(&self) -> impl Iterator<Item = String> {
        let is_away = |(of, path): &&(String, PathBuf)| {
            let homes = self.homes.get(of);
            homes.is_some_and(|homes| !homes.contains(path))
        };
        let blocks = self.blocks.iter().filter(is_away);
        blocks.map(|(of, path)| format!("{}: {of}", path.display()))
    }
}

/// Those of all crates at and below `folder`.
fn collect(folder: &Path, found: &mut Vec<String>) {
    if folder.join("Cargo.toml").exists() && folder.join("src").is_dir() {
        let mut own = Crate::default();
        own.collect(&folder.join("src"));
        found.extend(own.away());
    }
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !["src", "tests", "target"].contains(&&*name) {
            collect(&path, found);
        }
    }
}

#[test]
fn methods_stand_in_the_file_of_their_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in ["userspace", "xtask"] {
        collect(&root.join(folder), &mut found);
    }
    found.sort();
    let what =
        "if they are more, move methods to their type; if they are fewer, that is `MOST` now";
    assert_eq!(found.len(), MOST, "{what}: {found:#?}");
}

#[test]
fn block_in_another_file_than_its_type_then_away() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "a.rs",
        "struct A<T>(T); impl A<u8> {} impl Clone for B {} mod m { enum B {} }",
    );
    write(
        "b.rs",
        "impl<T> a::A<T> {} impl Other {} mod tests { impl B {} } mod m { impl B {} }",
    );
    let mut own = Crate::default();
    own.collect(folder.path());
    let mut found: Vec<_> = own
        .away()
        .map(|it| it.replace(&format!("{}/", folder.path().display()), ""))
        .collect();
    found.sort();
    assert_eq!(found, ["b.rs: A", "b.rs: B"]);
}
