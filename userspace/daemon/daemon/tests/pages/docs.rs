//! Doc comments of structs and enums, from their sources as rustfmt writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A field or a variant.
#[derive(Debug, Default)]
pub(crate) struct Item {
    pub(crate) name: String,
    /// Its type; empty for a variant.
    pub(crate) kind: String,
    pub(crate) docs: Vec<String>,
    pub(crate) has_default: bool,
    pub(crate) is_skipped: bool,
}

/// A struct or an enum.
#[derive(Debug, Default)]
pub(crate) struct Type {
    pub(crate) docs: Vec<String>,
    pub(crate) items: Vec<Item>,
    has_default: bool,
}

/// The public types in the files below `folder` and in `files`, by name; of two that of `folder`.
pub(crate) fn types(folder: &Path, files: &[PathBuf]) -> BTreeMap<String, Type> {
    let mut sources = Vec::new();
    collect(folder, &mut sources);
    sources.extend_from_slice(files);
    let mut types = BTreeMap::new();
    for path in sources {
        read(&fs::read_to_string(path).unwrap(), &mut types);
    }
    types
}

fn collect(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|it| it == "rs") {
            sources.push(path);
        }
    }
}

fn read(source: &str, types: &mut BTreeMap<String, Type>) {
    // What stands above the next type, field or variant.
    let mut above = Item::default();
    let mut open: Option<(String, Type)> = None;
    for line in source.lines() {
        let text = line.trim();
        let declared = line
            .strip_prefix("pub struct ")
            .or(line.strip_prefix("pub enum "));
        if let Some(doc) = text.strip_prefix("///") {
            let doc = doc.strip_prefix(' ').unwrap_or(doc);
            above.docs.push(doc.to_owned());
        } else if text.starts_with("#[") {
            above.has_default |= text.starts_with("#[serde(") && text.contains("default");
            above.is_skipped |= text.contains("serde(skip)");
        } else if let Some(name) = declared.and_then(|it| it.strip_suffix(" {")) {
            let Item {
                docs, has_default, ..
            } = std::mem::take(&mut above);
            let items = Vec::new();
            let new = Type {
                docs,
                items,
                has_default,
            };
            open = Some((name.to_owned(), new));
        } else if line == "}" {
            if let Some((name, new)) = open.take() {
                types.entry(name).or_insert(new);
            }
        } else {
            let mut item = std::mem::take(&mut above);
            let is_own = line.len() == text.len() + 4 && text != "},";
            let Some((_, owner)) = open.as_mut().filter(|_| is_own) else {
                continue;
            };
            let Some(text) = text.strip_suffix(',').or(text.strip_suffix(" {")) else {
                continue;
            };
            let field = text.strip_prefix("pub ").and_then(|it| it.split_once(": "));
            let (name, kind) = field.unwrap_or((text, ""));
            item.name = name.to_owned();
            item.kind = kind.to_owned();
            item.has_default |= owner.has_default;
            owner.items.push(item);
        }
    }
}

/// The documentation of a module, but for its first line.
pub(crate) fn module(path: &Path) -> String {
    let source = fs::read_to_string(path).unwrap();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(line));
    lines.skip(2).collect::<Vec<_>>().join("\n")
}
