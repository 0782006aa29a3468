//! The files of the repository, and the names in its code.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::{fs, io};

/// Files and names of the code.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Paths from the root.
    pub(crate) files: Vec<String>,
    /// Names in Rust and C, comments left out, and the workspace's crates.
    names: HashSet<String>,
    /// The pairs of atomic accesses that the product's comments name.
    pub(crate) sync_names: BTreeSet<String>,
    /// The lines of [`SYNC_TABLE`]'s table, by the name that they list.
    pub(crate) sync_rows: BTreeMap<String, usize>,
}

/// The file whose documentation lists the pairs.
pub(crate) const SYNC_TABLE: &str = "userspace/gate/ipc/src/sync.rs";

/// Folders without sources.
const NOT_SOURCES: [&str; 2] = ["target", "docs"];

impl Sources {
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut sources = Self::default();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = format!("{folder}{name}");
                if entry.file_type()?.is_dir() {
                    if !NOT_SOURCES.contains(&&*path) && !name.starts_with('.') {
                        folders.push(path + "/");
                    }
                    continue;
                }
                if path.ends_with(".rs") || path.ends_with(".c") || path.ends_with(".h") {
                    let text = fs::read_to_string(root.join(&path))?;
                    sources.add(&text);
                    if path.starts_with("userspace/") {
                        sources.add_sync_names(&text);
                    }
                    if path == SYNC_TABLE {
                        sources.add_sync_rows(&text);
                    }
                }
                if name == "Cargo.toml" {
                    sources.add(&fs::read_to_string(root.join(&path))?.replace('-', "_"));
                }
                sources.files.push(path);
            }
        }
        Ok(sources)
    }

    /// Adds the names in `text`.
    pub(crate) fn add(&mut self, text: &str) {
        for line in text.lines() {
            let is_in_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
            let code = line.split("// ").next().unwrap_or_default();
            let is_comment = code.trim_start().starts_with("//");
            let names = code.split(|it| !is_in_name(it)).filter(|_| !is_comment);
            self.names.extend(names.map(str::to_owned));
        }
    }

    /// Adds the names behind each `SYNC:` in `text`.
    pub(crate) fn add_sync_names(&mut self, text: &str) {
        for rest in text.split("SYNC: ").skip(1) {
            let names = rest.split(['.', '(', ')', '\n']).next().unwrap_or_default();
            let names = names.split(',').map(|name| name.trim().to_owned());
            self.sync_names.extend(names.filter(|name| name != "none"));
        }
    }

    /// Adds the rows of the table in `text`.
    pub(crate) fn add_sync_rows(&mut self, text: &str) {
        let name = |line: &str| Some(line.strip_prefix("//! | `")?.split('`').next()?.to_owned());
        let rows = text
            .lines()
            .zip(1..)
            .filter_map(|(line, number)| Some((name(line)?, number)));
        self.sync_rows.extend(rows);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether a name begins with `prefix`.
    pub(crate) fn has_prefix(&self, prefix: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_comments_then_not_known() {
        let mut sources = Sources::default();
        sources.add("/// not_this\nfn a_name() {} // nor_this\n//! nor_that\n\"a_metric\"");
        for (name, is_there) in [
            ("a_name", true),
            ("a_metric", true),
            ("not_this", false),
            ("nor_this", false),
            ("nor_that", false),
        ] {
            assert_eq!(sources.has(name), is_there, "{name}");
        }
    }
}
