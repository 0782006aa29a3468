//! Source files that a page names.

use crate::source::Sources;
use crate::{Fault, Page};

const ENDINGS: [&str; 9] = [
    ".rs", ".c", ".h", ".py", ".sh", ".toml", ".yaml", ".yml", ".service",
];

/// Whether `path` is that of a file of this repository: no pattern, no place on a machine, no file that the
/// reader writes.
fn is_source(path: &str) -> bool {
    let is_path = path
        .chars()
        .all(|it| it.is_ascii_alphanumeric() || "/_-.".contains(it));
    let ending = ENDINGS.iter().find(|it| path.ends_with(**it));
    let is_bare_and_of_no_code = !path.contains('/') && ending.is_some_and(|it| *it != ".rs");
    is_path && ending.is_some() && !is_bare_and_of_no_code && !path.starts_with(['/', '.'])
}

pub(crate) fn faults(page: &Page, sources: &Sources) -> Vec<Fault> {
    let mut found = Vec::new();
    for code in &page.inline {
        let path = code.text.as_str();
        let ending = format!("/{path}");
        let is_there = |file: &String| *file == path || file.ends_with(&ending);
        if is_source(path) && !sources.files.iter().any(is_there) {
            let what = format!("no file `{path}`");
            found.push(Fault::new(
                &page.path,
                code.line,
                what,
                "name a file that exists, by the end of its path",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_of_no_file_then_named() {
        let mut sources = Sources::default();
        sources
            .files
            .push("userspace/gate/ipc/src/slot.rs".to_owned());
        let text = "`ipc/src/slot.rs` `slot.rs` `/etc/onair/onaird.toml` `onaird.toml` `a/*.rs`\n`pc/src/slot.rs`";
        let found = faults(&Page::new("docs/a.md", text), &sources);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].line, &*found[0].what),
            (2, "no file `pc/src/slot.rs`")
        );
    }
}
