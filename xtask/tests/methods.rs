//! A type can be held in one's head: it has few methods. One with more owns parts that are values.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use syn::{ImplItem, Item, Type};

/// Methods of the largest type. It only gets smaller.
const MOST: usize = 45;

/// Counts the methods of each type of crate `name`, without those of traits and of unit tests.
fn count(name: &str, items: &[Item], found: &mut BTreeMap<String, usize>) {
    for item in items {
        match item {
            Item::Mod(it) if it.ident != "tests" => {
                count(name, it.content.as_ref().map_or(&[][..], |it| &it.1), found);
            }
            Item::Impl(it) if it.trait_.is_none() => {
                if let Type::Path(of) = &*it.self_ty {
                    let of = &of.path.segments.last().unwrap().ident;
                    let methods = it.items.iter().filter(|it| matches!(it, ImplItem::Fn(_)));
                    *found.entry(format!("{name}::{of}")).or_default() += methods.count();
                }
            }
            _ => {}
        }
    }
}

fn collect(name: &str, folder: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                collect(name, &path, found);
            }
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
            count(name, &file.items, found);
        }
    }
}

#[test]
fn no_type_has_more_methods_than_the_largest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../userspace");
    let mut found = BTreeMap::new();
    let floors = fs::read_dir(root).unwrap().map(|it| it.unwrap().path());
    for entry in floors.flat_map(|it| fs::read_dir(it).unwrap()) {
        let folder = entry.unwrap().path();
        if folder.join("src").is_dir() {
            let name = folder.file_name().unwrap().to_string_lossy();
            collect(&name, &folder.join("src"), &mut found);
        }
    }
    let large: Vec<_> = found.iter().filter(|(_, it)| **it >= MOST).collect();
    let most = found.values().max();
    let what = "if it is more, give the type parts; if it is less, that is `MOST` now";
    assert_eq!(most, Some(&MOST), "{what}: {large:?}");
}

#[test]
fn methods_are_counted_without_traits_and_tests() {
    let text = "impl<R> a::Core<R> { pub fn one() { fn inner() {} } const fn two() {} } fn apart() {} \
        impl Clone for Core { fn clone() {} } mod b { impl Core<u8> { fn three() {} } } \
        mod tests { impl Core<u8> { fn four() {} } }";
    let mut found = BTreeMap::new();
    count("a", &syn::parse_file(text).unwrap().items, &mut found);
    assert_eq!(found, BTreeMap::from([("a::Core".to_owned(), 3)]));
}
