//! What `onaird --help` and the documentation say of signals and exit statuses is what the code has.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use onaird::config::Config;
use onaird::shutdown::{Exit, HANDLED};
use serde_json::Value;
use signal_hook::low_level::signal_name;

const PAGE: &str = include_str!("../../../docs/configuration.md");

#[test]
fn help_signals_and_statuses_then_each_is_in_it_and_in_the_documentation() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onaird"));
    let said = command.arg("--help").output().unwrap();
    let help = String::from_utf8(said.stdout).unwrap();
    let page = PAGE.split_once("## Signals and exit status").unwrap().1;
    for signal in HANDLED {
        let name = signal_name(signal).unwrap();
        assert!(help.contains(name), "{name}: {help}");
        assert!(page.contains(name), "{name}");
    }
    for exit in Exit::ALL {
        let (status, meaning) = (exit.status(), exit.meaning());
        let line = format!("  {status}  {meaning}");
        assert!(help.lines().any(|it| it == line), "{line}: {help}");
        assert!(page.contains(&format!("| {status} |")), "{status}");
    }
}

/// The keys of the page, `table.key`, with what stands in the column of defaults.
fn keys_of_the_page() -> BTreeMap<String, String> {
    let mut table = String::new();
    let mut keys = BTreeMap::new();
    for line in PAGE.lines() {
        if let Some(title) = line.strip_prefix('#') {
            let name = title.split('`').nth(1).unwrap_or_default();
            table = name.trim_matches(['[', ']']).to_owned();
        }
        let mut cells = line.split('|').skip(1).map(str::trim);
        let key = cells
            .next()
            .and_then(|it| it.strip_prefix('`')?.strip_suffix('`'));
        if let (Some(key), Some(default)) = (key, cells.next())
            && !table.is_empty()
            && cells.next() != Some("")
        {
            keys.insert(format!("{table}.{key}"), default.to_owned());
        }
    }
    keys
}

/// The keys of `value`, with their values; of a list those of its first entry.
fn keys(table: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                keys(
                    format!("{table}.{name}").trim_start_matches('.'),
                    field,
                    found,
                );
            }
        }
        Value::Array(all) if all.first().is_some_and(Value::is_object) => {
            keys(table, &all[0], found);
        }
        value => {
            found.insert(table.to_owned(), value.clone());
        }
    }
}

#[test]
fn configuration_page_then_each_key_with_its_default_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("onaird.toml");
    let one_of_each = "[[control.role]]\nuser = \"root\"\nrole = \"own\"\n[[poller]]\nname = \"p\"\n\
         [[port]]\nname = \"a\"\ndevice = \"ring:x:a\"\naddress = \"10.0.0.1/24\"\npoller = \"p\"\n";
    fs::write(&file, one_of_each).unwrap();
    let config = serde_json::to_value(Config::load(&file).unwrap()).unwrap();
    let mut known = BTreeMap::new();
    keys("", &config, &mut known);
    // Its keys are those of a session's specification.
    known.remove("session");
    known.insert("control.role.user".to_owned(), Value::Null);
    let page = keys_of_the_page();
    let of_page: Vec<_> = page.keys().collect();
    assert_eq!(
        of_page,
        known.keys().collect::<Vec<_>>(),
        "docs/configuration.md"
    );
    for (key, default) in page {
        let value = match &known[&key] {
            Value::Null => "none".to_owned(),
            value => format!("`{value}`"),
        };
        let own_words = ["*required*", "`recordings` in `state.dir`"];
        assert!(
            default == value || own_words.contains(&&*default),
            "{key} = {value}: {default}"
        );
    }
}
