//! A page of the package: its links lead to what the package has.

use std::path::Path;

/// The page without links to files that are not among `installed`, which lie in one folder: their text stays. Without images.
pub(super) fn packaged(page: &str, installed: &[&str]) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some((before, text, target, after)) = first_link(rest) {
        let (before, is_image) = match before.strip_suffix('!') {
            Some(before) => (before, true),
            None => (before, false),
        };
        out += before;
        let (file, _) = target.split_once('#').unwrap_or((target, ""));
        let name = Path::new(file).file_name().and_then(|it| it.to_str());
        let leads = file.is_empty() || file.contains(':') || installed.contains(&file);
        match (leads, name) {
            // The package has none.
            _ if is_image => {}
            (true, _) => out += &format!("[{text}]({target})"),
            (false, Some("CHANGELOG.md")) => out += &format!("{text} (changelog.gz)"),
            (false, _) => out += text,
        }
        rest = after;
    }
    out + rest
}

/// What stands before the first link, its text, its target, and the rest.
fn first_link(page: &str) -> Option<(&str, &str, &str, &str)> {
    let middle = page.find("](")?;
    let open = page[..middle].rfind('[')?;
    let (target, after) = page[middle + 2..].split_once(')')?;
    Some((&page[..open], &page[open + 1..middle], target, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::root;
    use crate::dist::{FILES, pages};

    #[test]
    fn page_packaged_then_its_links_lead_into_the_package() {
        let page = "![f](f.png)[a](a.md#x) [b](adr/b.md), [c](../CHANGELOG.md) [d](#d) [`e`](https://e.f/g.md).";
        assert_eq!(
            packaged(page, &["a.md"]),
            "[a](a.md#x) b, c (changelog.gz) [d](#d) [`e`](https://e.f/g.md)."
        );
    }

    #[test]
    fn pages_of_the_package_then_no_link_leads_out_of_it() {
        let files = std::fs::read_to_string(root().join(FILES)).unwrap();
        let installed = pages(&files);
        assert!(installed.contains(&"operate.md"));
        for name in &installed {
            let page = std::fs::read_to_string(root().join("docs").join(name)).unwrap();
            let mut rest = packaged(&page, &installed);
            while let Some((_, _, target, after)) = first_link(&rest) {
                let file = target.split('#').next().unwrap_or_default();
                let leads = file.is_empty() || file.contains(':') || installed.contains(&file);
                assert!(leads, "{name}: {target}");
                rest = after.to_owned();
            }
        }
    }
}
