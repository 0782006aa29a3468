//! `reload`: which changes of the file apply to a running daemon.
//!
//! SIGHUP or `onairctl config reload` (`systemctl reload onaird`; root and the daemon's user) make the
//! daemon read the file again. Keys marked `live` apply at once; the recorder's to recordings that
//! start after it. Any other change is refused, with the key and the reason. An invalid file changes
//! nothing, and `health` names it until it is valid. `onairctl config show` has every current value.

use std::collections::BTreeMap;

use onair_api::{ConfigChange, ConfigRefusal};
use serde_json::Value;

use super::{Config, ConfigError};

/// Keys that the daemon reads whenever it needs them. It reads every other key at the start.
pub const LIVE: [(&str, &str); 24] = [
    ("log", "filter"),
    ("limits", "sessions"),
    ("limits", "frame_memory_mb"),
    ("state", "certificates"),
    ("state", "certificate_days"),
    ("recorder", "max_recordings"),
    ("recorder", "ring_mb"),
    ("recorder", "min_free_mb"),
    ("signal", "absent_ms"),
    ("signal", "loss_ppm"),
    ("signal", "drift_ppm"),
    ("signal", "hold_ms"),
    ("timeouts", "quiesce_ms"),
    ("timeouts", "durable_ms"),
    ("timeouts", "patrol_ms"),
    ("timeouts", "drain_warning_ms"),
    ("timeouts", "graceful_ms"),
    ("probe", "mode"),
    ("shutdown", "policy"),
    ("shutdown", "cleanup_ms"),
    ("shutdown", "handler_ms"),
    ("shutdown", "debounce_ms"),
    ("shutdown", "force_ms"),
    ("shutdown", "on_poller_death"),
];

/// Why a table's keys need a restart.
const REASONS: [(&str, &str); 14] = [
    (
        "control",
        "roles are read and the socket is bound at the start",
    ),
    ("attach", "the socket is bound at the start"),
    ("state", "the folder is locked at the start"),
    ("dpdk", "DPDK is initialised once in a process"),
    (
        "recorder",
        "the folder is scanned and the time-out of the end is set at the start",
    ),
    ("poller", "pollers are started and pinned at the start"),
    ("port", "ports are opened at the start"),
    ("probe", "the probe is loaded at the start"),
    ("clock", "the thread that asks ptp4l reads it at the start"),
    (
        "session",
        "sessions of the file are created at the start: use `onairctl session` now",
    ),
    ("log", "the log is opened at the start"),
    ("metrics", "the socket is bound at the start"),
    ("limits", "tables are laid out at the start"),
    (
        "timeouts",
        "sockets and the probe read it when they are opened",
    ),
];

/// Result of a comparison of two configurations.
#[derive(Debug)]
pub struct Comparison {
    /// The new active configuration.
    pub config: Config,
    /// Changes that apply.
    pub applied: Vec<ConfigChange>,
    /// Changes of the file that do not apply.
    pub refused: Vec<ConfigRefusal>,
}

/// Compares the active configuration with the file's.
///
/// # Errors
/// [`ConfigError`]: the merged configuration is invalid.
pub fn compare(active: &Config, wanted: &Config) -> Result<Comparison, ConfigError> {
    let mut merged = json(active);
    let target = json(wanted);
    let (old, new) = (flat(&merged), flat(&target));
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let (mut applied, mut refused) = (Vec::new(), Vec::new());
    for key in keys {
        let (from, to) = (old.get(key), new.get(key));
        if from == to {
            continue;
        }
        let text = |value: Option<&Value>| value.unwrap_or(&Value::Null).to_string();
        let change = ConfigChange {
            key: key.clone(),
            from: text(from),
            to: text(to),
        };
        let live = LIVE
            .iter()
            .find(|(table, name)| *key == format!("{table}.{name}"))
            .filter(|_| !is_probe_switched(key, from, to));
        match (live, to) {
            (Some((table, name)), Some(to)) => {
                merged[table][name] = to.clone();
                applied.push(change);
            }
            _ => refused.push(ConfigRefusal {
                reason: reason(key),
                change,
            }),
        }
    }
    let mut config: Config = serde_json::from_value(merged).expect("it was a configuration");
    config.file.clone_from(&active.file);
    config.check()?;
    Ok(Comparison {
        config,
        applied,
        refused,
    })
}

/// Whether the change would load or unload the probe: the daemon does that only at the start. How
/// strictly it uses the probe's reports may change.
fn is_probe_switched(key: &str, from: Option<&Value>, to: Option<&Value>) -> bool {
    let is_off = |mode: Option<&Value>| mode.is_none_or(|mode| mode == "off");
    key == "probe.mode" && (is_off(from) || is_off(to))
}

/// Every key and value, by table.
pub fn json(config: &Config) -> Value {
    serde_json::to_value(config).expect("plain values with text as keys")
}

fn reason(key: &str) -> String {
    let table = key.split('.').next().unwrap_or_default();
    let known = REASONS.iter().find(|(name, _)| *name == table);
    let why = known.map_or("it is read only at the start", |(_, why)| *why);
    format!("{why}; restart the daemon for it")
}

/// Values by full key. List entries are keyed by their name.
fn flat(value: &Value) -> BTreeMap<String, Value> {
    fn walk(key: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
        let below = |name: &str| {
            if key.is_empty() {
                name.to_owned()
            } else {
                format!("{key}.{name}")
            }
        };
        match value {
            Value::Object(table) => {
                for (name, value) in table {
                    walk(&below(name), value, into);
                }
            }
            Value::Array(list) if list.iter().all(|it| it["name"].is_string()) => {
                for entry in list {
                    walk(
                        &below(entry["name"].as_str().unwrap_or_default()),
                        entry,
                        into,
                    );
                }
            }
            other => {
                into.insert(key.to_owned(), other.clone());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk("", value, &mut all);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "
        [limits]
        sessions = 10
        [[poller]]
        name = \"p\"
        core = 0
        [[port]]
        name = \"a\"
        device = \"ring:x:a\"
        address = \"10.0.0.1/24\"
        poller = \"p\"
    ";

    fn parse(text: &str) -> Config {
        let config: Config = toml::from_str(text).unwrap();
        config.check().unwrap();
        config
    }

    fn compared(change: impl Fn(String) -> String) -> Comparison {
        compare(&parse(BASE), &parse(&change(BASE.to_owned()))).unwrap()
    }

    #[test]
    fn reload_nothing_changed_then_nothing_is_said() {
        let same = compared(|text| text);
        assert!(same.applied.is_empty() && same.refused.is_empty());
        assert_eq!(json(&same.config), json(&parse(BASE)));
    }

    #[test]
    fn reload_live_keys_then_taken_and_the_rest_stays() {
        let changed = compared(|text| {
            text.replace("sessions = 10", "sessions = 20") + "[log]\nfilter = \"debug\"\n"
        });
        let keys: Vec<_> = changed.applied.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(keys, ["limits.sessions", "log.filter"]);
        assert_eq!(changed.applied[0].from, "10");
        assert_eq!(changed.applied[0].to, "20");
        assert!(changed.refused.is_empty());
        assert_eq!(changed.config.limits.sessions, 20);
        assert_eq!(changed.config.log.filter, "debug");
        assert_eq!(changed.config.port.len(), 1);
    }

    #[test]
    fn reload_keys_of_the_start_then_refused_with_the_reason() {
        let changed = compared(|text| {
            text.replace("core = 0", "core = 1")
                .replace("name = \"a\"", "name = \"b\"")
                .replace("sessions = 10", "sessions = 10\nconnections = 9")
                + "[control]\nsocket = \"/run/x.sock\"\n[dpdk]\nmemory_mb = 100\n[timeouts]\nprove_ms = 1\n[metrics]\nlisten = \"127.0.0.1:9\"\n[probe]\nmode = \"off\"\n"
        });
        assert!(changed.applied.is_empty(), "{:?}", changed.applied);
        for (key, reason) in [
            ("poller.p.core", "pinned at the start"),
            ("port.a.device", "ports are opened"),
            ("port.b.device", "ports are opened"),
            ("control.socket", "bound at the start"),
            ("dpdk.memory_mb", "once in a process"),
            ("timeouts.prove_ms", "when they are opened"),
            ("limits.connections", "laid out at the start"),
            ("metrics.listen", "bound at the start"),
            ("probe.mode", "loaded at the start; restart the daemon"),
        ] {
            let refusal = changed.refused.iter().find(|it| it.change.key == key);
            let refusal = refusal.unwrap_or_else(|| panic!("{key} in {:?}", changed.refused));
            assert!(refusal.reason.contains(reason), "{}", refusal.reason);
        }
        assert_eq!(json(&changed.config), json(&parse(BASE)));
    }

    #[test]
    fn reload_shutdown_and_probe_settings_then_taken() {
        let changed = compared(|text| {
            text + "[timeouts]\ngraceful_ms = 1\n[probe]\nmode = \"preferred\"\n[shutdown]\n\
                    policy = \"evict\"\ncleanup_ms = 1\nhandler_ms = 2\ndebounce_ms = 3\n\
                    force_ms = 4\non_poller_death = \"drain\"\n"
        });
        assert!(changed.refused.is_empty(), "{:?}", changed.refused);
        assert_eq!(changed.applied.len(), 8);
        assert_eq!(changed.config.shutdown.policy, crate::config::Policy::Evict);
        assert_eq!(changed.config.timeouts.graceful_ms, 1);
        assert_eq!(changed.config.probe.mode, onair_api::ProbeMode::Preferred);
    }

    #[test]
    fn live_keys_each_then_a_key_of_the_configuration() {
        let all = json(&Config::default());
        for (table, name) in LIVE {
            assert!(!all[table][name].is_null(), "{table}.{name}");
        }
    }
}
