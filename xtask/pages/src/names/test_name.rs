//! Tests that a page names as proof.

use crate::source::Sources;
use crate::{Fault, Page};

/// Pages that name tests.
const PAGES: [&str; 3] = ["docs/requirements.md", "docs/testing.md", "docs/gate.md"];
/// A name with so many underscores is a test's, unless the code has it as another.
const LEAST_UNDERSCORES: usize = 3;

pub(crate) fn faults(page: &Page, sources: &Sources) -> Vec<Fault> {
    let mut found = Vec::new();
    if !PAGES.contains(&&*page.path) {
        return found;
    }
    for code in &page.inline {
        for name in code.text.split("::") {
            let is_in_name = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_';
            let is_test = name.chars().all(is_in_name)
                && name.matches('_').count() >= LEAST_UNDERSCORES
                && !name.ends_with('_');
            if is_test && !sources.has(name) {
                let what = format!("no test `{name}`");
                let remedy = "name a test that exists, with its whole name";
                found.push(Fault::new(&page.path, code.line, what, remedy));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_that_is_gone_then_named_on_the_pages_about_tests() {
        let mut sources = Sources::default();
        sources.add("fn stop_and_destroy_then_gone() {}");
        let text =
            "`gate::stop_and_destroy_then_gone` `a_short_name`\n\n`stop_and_destroy_then_back`";
        let found = faults(&Page::new("docs/gate.md", text), &sources);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 3);
        assert_eq!(faults(&Page::new("docs/nic.md", text), &sources), []);
    }
}
