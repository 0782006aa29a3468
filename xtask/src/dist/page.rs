//! A page of a package: its links lead to what the package has.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::DEBIAN;
use crate::cargo::root;

/// The packages with pages.
pub(super) const PACKAGES: [&str; 5] = [
    "onair",
    "onair-nmos",
    "onair-wall",
    "onair-mxl",
    "libonair-dev",
];

/// The names of the pages that the package has: debhelper's list of its documents.
pub(super) fn of(package: &str) -> Result<Vec<String>> {
    let list = root().join(DEBIAN).join(format!("{package}.docs"));
    let list = fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let prefix = format!("pages/{package}/");
    let names = list.lines().filter_map(|it| it.strip_prefix(&prefix));
    Ok(names.map(str::to_owned).collect())
}

/// The page without links to files that are not among `installed`, which lie in one folder: their text stays. Without images.
pub(super) fn packaged(page: &str, installed: &[String]) -> String {
    let is_installed = |file| installed.iter().any(|it| it == file);
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
        let leads = file.is_empty() || file.contains(':') || is_installed(file);
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

    #[test]
    fn page_packaged_then_its_links_lead_into_the_package() {
        let page = "![f](f.png)[a](a.md#x) [b](adr/b.md), [c](../CHANGELOG.md) [d](#d) [`e`](https://e.f/g.md).";
        assert_eq!(
            packaged(page, &["a.md".to_owned()]),
            "[a](a.md#x) b, c (changelog.gz) [d](#d) [`e`](https://e.f/g.md)."
        );
    }

    #[test]
    fn pages_of_a_package_then_no_link_leads_out_of_it() {
        for package in PACKAGES {
            let installed = of(package).unwrap();
            assert!(!installed.is_empty(), "{package}");
            for name in &installed {
                let page = fs::read_to_string(root().join("docs").join(name)).unwrap();
                let mut rest = packaged(&page, &installed);
                while let Some((_, _, target, after)) = first_link(&rest) {
                    let file = target.split('#').next().unwrap_or_default();
                    let leads = file.is_empty()
                        || file.contains(':')
                        || installed.iter().any(|it| it == file);
                    assert!(leads, "{package}: {name}: {target}");
                    rest = after.to_owned();
                }
            }
        }
    }
}
