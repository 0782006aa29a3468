//! Links to files and headings of this repository.

use std::path::Path;

use crate::{Fault, Page};

pub(crate) fn faults(page: &Page, all: &[Page], root: &Path) -> Vec<Fault> {
    let mut found = Vec::new();
    for (line, target) in &page.links {
        if target.contains(':') || target.is_empty() {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = match file {
            "" => page.path.clone(),
            file => joined(&page.path, file),
        };
        let mut fault = |what: String, remedy| {
            found.push(Fault::new(&page.path, *line, what, remedy));
        };
        if !root.join(&path).exists() {
            let what = format!("a link to {path}, which does not exist");
            fault(what, "link to a page or file that exists");
        } else if let Some(other) = all.iter().find(|it| it.path == path)
            && !anchor.is_empty()
            && !other.anchors.iter().any(|it| it == anchor)
        {
            let what = format!("a link to #{anchor}, and {path} has no such heading");
            fault(what, "link to a heading that exists");
        }
    }
    found
}

/// The path from the root of `file`, which stands in `page`.
fn joined(page: &str, file: &str) -> String {
    let mut parts: Vec<_> = page.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_which_some_lead_nowhere_then_those_are_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("docs")).unwrap();
        std::fs::write(root.path().join("docs/b.md"), "").unwrap();
        std::fs::write(root.path().join("docs/a.md"), "").unwrap();
        let text = "[x](b.md#here) `[no](x)` [y](../docs/b.md) [web](https://a.b/c#d)\n\
             [x](b.md#gone) [own](#top) ![p](plots/a.svg \"title\")\n# Top\n";
        let page = Page::new("docs/a.md", text);
        let all = [page.clone(), Page::new("docs/b.md", "# Here")];
        let found = faults(&page, &all, root.path());
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "docs/a.md:2: a link to #gone, and docs/b.md has no such heading: link to a \
                 heading that exists",
                "docs/a.md:2: a link to docs/plots/a.svg, which does not exist: link to a page or \
                 file that exists",
            ]
        );
    }
}
