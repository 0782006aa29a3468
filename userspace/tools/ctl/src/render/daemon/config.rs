//! The configuration.

use onair_api::{ActiveConfig, Reload};
use serde_json::Value;

use crate::render::{Facts, ago, cell, heading, or_dash, print, printable, table};

/// Answer of `config show`.
pub(crate) fn active(config: &ActiveConfig) -> String {
    let mut all = Facts::default();
    all.add("file", printable(&or_dash(config.file.as_ref())));
    let last = config.last_reload.as_ref();
    let last = last.map(|it| format!("{}, {}", it.outcome, ago(Some(it.at))));
    all.add("last reload", or_dash(last));
    let mut text = all.print();
    text += &heading("Active:");
    let mut keys = table(&["KEY", "VALUE"]);
    walk(String::new(), &config.active, &mut |key, value| {
        keys.add_row([cell(printable(key)), cell(printable(&value.to_string()))]);
    });
    text += &print(keys);
    if let Some(last) = &config.last_reload {
        text += &heading("The last reload:");
        text += &reload(last);
    }
    text
}

/// Answer of `config reload`.
pub(crate) fn reload(reload: &Reload) -> String {
    if let Some(error) = &reload.error {
        return format!(
            "the file is invalid; the current configuration stays: {}\n",
            printable(error)
        );
    }
    if reload.applied.is_empty() && reload.refused.is_empty() {
        return "no changes\n".to_owned();
    }
    let mut rows = table(&["KEY", "FROM", "TO", "APPLIED", "REASON"]);
    for change in &reload.applied {
        let [key, from, to] = [&change.key, &change.from, &change.to].map(|it| printable(it));
        rows.add_row([cell(key), cell(from), cell(to), cell("yes"), cell("-")]);
    }
    for refusal in &reload.refused {
        let change = &refusal.change;
        let [key, from, to] = [&change.key, &change.from, &change.to].map(|it| printable(it));
        let reason = printable(&refusal.reason);
        rows.add_row([cell(key), cell(from), cell(to), cell("no"), cell(reason)]);
    }
    print(rows)
}

/// Calls `visit` with every value that is not a table, and its key.
fn walk(key: String, value: &Value, visit: &mut impl FnMut(&str, &Value)) {
    let below = |name: &str| match key.is_empty() {
        true => name.to_owned(),
        false => format!("{key}.{name}"),
    };
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                walk(below(name), value, visit);
            }
        }
        Value::Array(list) if list.iter().all(|it| it["name"].is_string()) => {
            for entry in list {
                walk(
                    below(entry["name"].as_str().unwrap_or_default()),
                    entry,
                    visit,
                );
            }
        }
        other => visit(&key, other),
    }
}
