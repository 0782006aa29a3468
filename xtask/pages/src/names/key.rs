//! Keys of the configuration that a page names: `table.key`, `[table] key`, and those of blocks of TOML.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Fault, Page};

/// The page that a test keeps equal to the code.
const PAGE: &str = "docs/configuration.md";
/// Keys of this table are those of a session's specification.
const SESSION: &str = "session";
/// `control.sock` is no key.
const FILES: [&str; 11] = [
    "rs", "md", "sock", "ptp", "json", "toml", "svg", "c", "h", "lock", "slice",
];

/// Keys by table.
pub(crate) type Keys = BTreeMap<String, BTreeSet<String>>;

/// The keys of the page of the configuration.
pub(crate) fn known(all: &[Page]) -> Keys {
    let mut keys = Keys::new();
    let mut table = String::new();
    let page = all.iter().find(|page| page.path == PAGE);
    for (_, line) in page.into_iter().flat_map(Page::prose) {
        if let Some(title) = line.strip_prefix('#') {
            let name = title.split('`').nth(1).unwrap_or_default();
            table = name.trim_matches(['[', ']']).to_owned();
            if name.starts_with('[') {
                keys.entry(table.clone()).or_default();
            }
        }
        // "- `key = default`, …"
        let code = line.strip_prefix("- `").and_then(|it| it.split('`').next());
        if let (Some(code), Some(own)) = (code, keys.get_mut(&table)) {
            own.extend(code.split(' ').next().map(str::to_owned));
        }
    }
    keys
}

/// Whether `table.key` is there, or is not one to check.
fn is_known(keys: &Keys, table: &str, key: &str) -> bool {
    table == SESSION || keys.get(table).is_none_or(|own| own.contains(key))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|it| it.is_ascii_lowercase() || it == '_')
}

/// Table and key that `code` names.
fn named<'a>(keys: &Keys, code: &'a str) -> Option<(&'a str, &'a str)> {
    let name = code.split(" = ").next()?.trim();
    let (table, key) = match name.split_once("] ") {
        Some((table, key)) => (table.trim_start_matches('['), key),
        None => name.split_once('.')?,
    };
    let table = table.trim_matches(['[', ']']);
    let is_subtable = keys.contains_key(&format!("{table}.{key}"));
    let is_key = is_name(table) && is_name(key) && !is_subtable && !FILES.contains(&key);
    is_key.then_some((table, key))
}

/// The unknown keys of a block of TOML with their lines.
fn of_block(keys: &Keys, block: &crate::Block) -> Vec<(usize, String)> {
    let mut table = String::new();
    let mut found = Vec::new();
    for code in &block.lines {
        let text = code.text.trim();
        if text.starts_with('[') && text.contains(']') {
            let end = text.rfind(']').unwrap_or_default();
            table = text[..end].trim_matches(['[', ']']).to_owned();
            // Another program's file.
            if !keys.contains_key(&table) && !table.starts_with(SESSION) {
                return Vec::new();
            }
        } else if let Some((key, _)) = text.split_once('=')
            && is_name(key.trim())
            && !is_known(keys, &table, key.trim())
        {
            found.push((code.line, format!("{table}.{}", key.trim())));
        }
    }
    found
}

pub(crate) fn faults(page: &Page, keys: &Keys) -> Vec<Fault> {
    let mut unknown = Vec::new();
    for code in &page.inline {
        if let Some((table, key)) = named(keys, &code.text)
            && !is_known(keys, table, key)
        {
            unknown.push((code.line, format!("{table}.{key}")));
        }
    }
    let blocks = &page.blocks;
    let toml = blocks.iter().filter(|block| block.language == "toml");
    unknown.extend(toml.flat_map(|block| of_block(keys, block)));
    let fault = |(line, key)| {
        let what = format!("no configuration key `{key}`");
        Fault::new(
            &page.path,
            line,
            what,
            "name a key of docs/configuration.md",
        )
    };
    unknown.into_iter().map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURATION: &str = "## `[limits]`\n\n- `sessions = 256`, 1–1024, live. Sessions.\n\n\
         ### `[[control.role]]`: roles\n- `user`: none. A user.\n## Other\n- `a`: b\n";

    #[test]
    fn keys_of_which_some_are_unknown_then_those_are_named() {
        let keys = known(&[Page::new(PAGE, CONFIGURATION)]);
        assert_eq!(keys.len(), 2);
        let text = "`limits.sessions` `[limits] sessions = 5` `limits.md` `a.b`\n\
             `limits.gone` `[limits] lost`\n\n```toml\n[[control.role]]\nuser = \"a\"\nage = 1\n```\n\
             ```toml\n[dependencies]\nage = 1\n```\n";
        let found = faults(&Page::new("docs/a.md", text), &keys);
        let what: Vec<_> = found.iter().map(|it| (it.line, &*it.what)).collect();
        assert_eq!(
            what,
            [
                (2, "no configuration key `limits.gone`"),
                (2, "no configuration key `limits.lost`"),
                (7, "no configuration key `control.role.age`"),
            ]
        );
    }
}
