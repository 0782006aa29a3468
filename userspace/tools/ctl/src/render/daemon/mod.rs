//! The daemon as a whole: its health, its ports, its configuration and its end.

pub(crate) mod health;
pub(crate) mod poller;
pub(crate) mod port;

use std::time::Duration;

use onair_api::{ActiveConfig, PartOutcome, PartReport, PhaseTime, Reload, ShutdownStatus};
use serde_json::Value;

use crate::render::{Facts, ago, cell, heading, human, or_dash, print, printable, table};

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

/// Answer of `shutdown`.
pub(crate) fn begun(status: &ShutdownStatus) -> String {
    let cause = status.cause.as_deref().unwrap_or("-");
    format!(
        "shutting down, phase {}: {}\n",
        status.phase,
        printable(cause)
    )
}

/// A phase that was entered.
pub(crate) fn phase(phase: &PhaseTime) -> String {
    format!("{}  {}\n", phase.at, console::style(phase.phase).bold())
}

/// The number of users left.
pub(crate) fn users(status: &ShutdownStatus) -> String {
    let users = match status.users {
        1 => "1 user".to_owned(),
        users => format!("{users} users"),
    };
    let sessions = match status.sessions {
        1 => "1 session".to_owned(),
        sessions => format!("{sessions} sessions"),
    };
    format!("    {users} in {sessions}\n")
}

/// A part that has ended.
pub(crate) fn part(part: &PartReport) -> String {
    let outcome = match part.outcome {
        PartOutcome::Done => console::style(part.outcome.as_str()).green(),
        _ => console::style(part.outcome.as_str()).red(),
    };
    let detail = part
        .detail
        .as_deref()
        .map(|it| format!(": {}", printable(it)));
    format!(
        "    {} {outcome} in {}{}\n",
        printable(&part.name),
        human(Duration::from_micros(part.us)),
        detail.unwrap_or_default()
    )
}
