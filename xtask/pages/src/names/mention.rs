//! Pages that code, packaging and comments name: `docs/….md`.

use std::path::Path;
use std::{fs, io};

use crate::Fault;
use crate::source::Sources;

/// Files whose text names pages.
const ENDINGS: [&str; 11] = [
    ".rs",
    ".c",
    ".h",
    ".py",
    ".sh",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".service",
    ".sysusers",
];
/// Its tests name pages that do not exist.
const OWN: &str = "xtask/pages/";

/// The pages that `line` names.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let is_in_path = |it: char| it.is_ascii_alphanumeric() || "/_-.".contains(it);
    let words = line.split(move |it| !is_in_path(it));
    words.filter(|word| word.starts_with("docs/") && word.ends_with(".md"))
}

pub(crate) fn faults(sources: &Sources, root: &Path) -> io::Result<Vec<Fault>> {
    let mut found = Vec::new();
    let is_text =
        |path: &&String| ENDINGS.iter().any(|it| path.ends_with(it)) && !path.starts_with(OWN);
    for path in sources.files.iter().filter(is_text) {
        for (at, line) in fs::read_to_string(root.join(path))?.lines().enumerate() {
            for page in named(line).filter(|page| !root.join(page).exists()) {
                let what = format!("no page {page}");
                let remedy = "name the page that says it now";
                found.push(Fault::new(path, at + 1, what, remedy));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_that_is_gone_then_the_file_that_names_it() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("docs")).unwrap();
        fs::write(root.path().join("docs/a.md"), "").unwrap();
        fs::write(
            root.path().join("x.rs"),
            "//! See `docs/a.md`.\n// docs/b.md: here\n",
        )
        .unwrap();
        let mut sources = Sources::default();
        sources.files.push("x.rs".to_owned());
        let found = faults(&sources, root.path()).unwrap();
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            ["x.rs:2: no page docs/b.md: name the page that says it now"]
        );
    }
}
