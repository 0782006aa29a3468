//! Metrics that a page names: `onair_…`.

use crate::source::Sources;
use crate::{Fault, Page};

pub(crate) fn faults(page: &Page, sources: &Sources) -> Vec<Fault> {
    let mut found = Vec::new();
    for code in page.code() {
        let is_in_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
        for word in code.text.split(|it| !is_in_name(it)) {
            // `onair_session_*`, `onair_port_rx_{good,lost}_total`
            let is_there = match word.strip_prefix("onair_") {
                None => true,
                Some(_) if word.ends_with('_') => sources.has_prefix(word),
                Some(_) => sources.has(word),
            };
            if !is_there {
                let what = format!("no metric and no other name `{word}`");
                let remedy = "name one of docs/reference.md";
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
    fn metric_that_the_code_has_not_then_named() {
        let mut sources = Sources::default();
        sources.add("\"onair_sessions\" \"onair_port_rx_total\"");
        let text =
            "`onair_sessions{state=\"x\"}` `onair_port_*`\n```\nrate(onair_gone_total[1m])\n```\n";
        let found = faults(&Page::new("docs/a.md", text), &sources);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].line, 3);
        assert!(found[0].what.contains("onair_gone_total"));
    }
}
