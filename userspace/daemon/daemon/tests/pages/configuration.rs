//! `docs/configuration.md` from the doc comments, defaults and checks of the configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use onair_pages::{generated, root};
use onair_settings::config::reload::LIVE;
use onaird::shutdown::{HANDLED, meaning};
use serde_json::Value;
use signal_hook::low_level::signal_name;

use crate::pages::docs::{self, Item, Type};
use crate::pages::range::{self, ONE_OF_EACH, load};

/// What the page is made of.
struct Source {
    types: BTreeMap<String, Type>,
    /// A configuration with one of each table.
    config: Value,
    /// Types of values that are on the page.
    explained: BTreeSet<String>,
    /// Keys that are on the page.
    keys: BTreeSet<String>,
    ranges: usize,
}

impl Source {
    fn read() -> Self {
        let userspace = root().join("userspace");
        let dpdk = userspace.join("plane/dpdk/src");
        let elsewhere = [
            dpdk.join("eal/mod.rs"),
            dpdk.join("eal/memory.rs"),
            dpdk.join("port/hardware.rs"),
            userspace.join("documents/api/src/daemon/probe.rs"),
        ];
        let config = load(ONE_OF_EACH).unwrap();
        Self {
            types: docs::types(&userspace.join("daemon/settings/src/config"), &elsewhere),
            config: serde_json::to_value(config).unwrap(),
            explained: BTreeSet::new(),
            keys: BTreeSet::new(),
            ranges: 0,
        }
    }

    fn page(&mut self) -> String {
        let types = std::mem::take(&mut self.types);
        let config = &types["Config"];
        let mut page = format!("# Configuration\n\n{}\n", config.docs.join("\n"));
        for table in config.items.iter().filter(|it| !it.is_skipped) {
            match types.get(bare(&table.kind)) {
                Some(own) => self.table(&types, &mut page, &table.name, own, 2),
                // Its keys are those of a session's specification.
                None => section(&mut page, &table.docs, 2, ""),
            }
        }
        let reload = docs::module(&root().join("userspace/daemon/settings/src/config/reload.rs"));
        let _ = write!(page, "\n## Reload\n\n{reload}\n\n{}", signals());
        page
    }

    /// Adds a table, and those within it.
    fn table(
        &mut self,
        types: &BTreeMap<String, Type>,
        page: &mut String,
        name: &str,
        table: &Type,
        level: usize,
    ) {
        let mut keys = String::new();
        let is_table = |it: &&Item| types.get(bare(&it.kind)).is_some_and(is_struct);
        for field in table.items.iter().filter(|it| !it.is_skipped) {
            if is_table(&field) {
                continue;
            }
            keys += &self.key(name, field);
            let kind = bare(&field.kind);
            if !self.explained.insert(kind.to_owned()) {
                continue;
            }
            for variant in types.get(kind).into_iter().flat_map(|it| &it.items) {
                let (name, what) = (snake(&variant.name), variant.docs.join(" "));
                let _ = writeln!(keys, "  - `{name}`: {what}");
            }
        }
        section(page, &table.docs, level, &keys);
        for field in table.items.iter().filter(is_table) {
            let own = &types[bare(&field.kind)];
            let name = format!("{name}.{}", field.name);
            self.table(types, page, &name, own, level + 1);
        }
    }

    fn key(&mut self, table: &str, field: &Item) -> String {
        let name = &field.name;
        let key = format!("{table}.{name}");
        let pointer = |key: &str| format!("/{}", key.replace('.', "/"));
        let mut path = pointer(&key);
        if self
            .config
            .pointer(&pointer(table))
            .is_some_and(Value::is_array)
        {
            path = format!("{}/0/{name}", pointer(table));
        }
        let value = self.config.pointer(&path);
        let mut facts = match value {
            _ if !field.has_default => format!("`{name}`: *required*"),
            Some(Value::Null) | None => format!("`{name}`: none"),
            // Of a port that has a poller and an address.
            Some(_) if key == "port.poller" || key == "port.address" => format!("`{name}`: none"),
            Some(Value::String(_)) if key == "control.role.user" => format!("`{name}`: none"),
            Some(value) => format!("`{name} = {value}`"),
        };
        if let Some((least, most)) = range::of(&self.config, &path, &field.kind) {
            let unit = unit(name);
            let _ = write!(facts, ", {}–{}{unit}", grouped(least), grouped(most));
            self.ranges += 1;
        }
        if LIVE.contains(&(table, name.as_str())) {
            facts += ", live";
        }
        self.keys.insert(key);
        format!("- {facts}. {}\n", field.docs.join(" "))
    }
}

fn is_struct(it: &Type) -> bool {
    it.items.iter().all(|item| !item.kind.is_empty())
}

/// The type within `Vec` and `Option`.
fn bare(kind: &str) -> &str {
    let kind = kind.trim_start_matches("Vec<");
    kind.trim_start_matches("Option<").trim_end_matches('>')
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn unit(name: &str) -> &'static str {
    match name.rsplit('_').next() {
        Some("ms") => " ms",
        Some("us") => " µs",
        Some("mb") => " MiB",
        _ => "",
    }
}

/// `600000` as `600,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.len() > 4 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Adds a section: the first paragraph of `docs` is its title, and `keys` stand below it.
fn section(page: &mut String, docs: &[String], level: usize, keys: &str) {
    let title: Vec<_> = docs.iter().take_while(|line| !line.is_empty()).collect();
    let rest = docs.get(title.len() + 1..).unwrap_or_default().join("\n");
    let title = title.iter().map(|it| it.as_str()).collect::<Vec<_>>();
    let _ = write!(page, "\n{} {}\n", "#".repeat(level), title.join(" "));
    for part in [keys, &rest] {
        if !part.is_empty() {
            let _ = write!(page, "\n{}\n", part.trim_end());
        }
    }
}

fn signals() -> String {
    let mut section = "## Signals and exit status of `onaird`\n\n".to_owned();
    for signal in HANDLED {
        let name = signal_name(signal).unwrap();
        let _ = writeln!(section, "- {name}: {}", meaning(signal));
    }
    section + "\n[reference.md](reference.md#exit-statuses) lists the exit statuses.\n"
}

/// The keys of `value`, of a list those of its first entry.
fn keys(table: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let key = format!("{table}.{name}");
                keys(key.trim_start_matches('.'), field, found);
            }
        }
        Value::Array(all) if all.first().is_some_and(Value::is_object) => {
            keys(table, &all[0], found);
        }
        _ => {
            found.insert(table.to_owned());
        }
    }
}

#[test]
fn page_of_the_configuration_then_that_of_its_doc_comments() {
    let mut source = Source::read();
    let page = source.page();
    let mut known = BTreeSet::new();
    keys("", &source.config, &mut known);
    known.remove("session");
    assert_eq!(source.keys, known, "keys of the page, and of the daemon");
    assert!(source.ranges > 50, "{} keys with a range", source.ranges);
    if let Err(stale) = generated::page("docs/configuration.md", &page) {
        panic!("{stale}");
    }
}
