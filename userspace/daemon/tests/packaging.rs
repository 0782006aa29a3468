//! What is packaged holds against what the daemon does by default.
#![expect(clippy::unwrap_used, reason = "clippy does not take helpers for tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onaird::config::Config;
use serde::Deserialize as _;
use serde_yaml_ng::Value;

/// What the daemon needs to work as its configuration asks, without `CAP_`.
const CAPABILITIES: [&str; 8] = [
    "NET_ADMIN",
    "NET_RAW",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "DAC_READ_SEARCH",
    "IPC_LOCK",
    "SYS_NICE",
    "CHOWN",
];

fn packaging(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging");
    let path = root.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Keys with their values, the last one of each; without sections, which share no key.
fn unit() -> BTreeMap<String, String> {
    let text = packaging("systemd/onaird.service");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn daemonset() -> Vec<Value> {
    let text = packaging("kubernetes/daemonset.yaml");
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

fn pod() -> Value {
    let all = daemonset();
    let set = all.iter().find(|it| it["kind"] == "DaemonSet").unwrap();
    set["spec"]["template"]["spec"].clone()
}

fn words(value: &Value) -> Vec<&str> {
    value
        .as_sequence()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect()
}

/// The longest that an end can take by the defaults: users leave, requests are answered, and each
/// part that is cleaned up takes all of its time and is then forced.
fn longest_end() -> Duration {
    let config = Config::default();
    let end = &config.shutdown;
    let graceful = Duration::from_millis(config.timeouts.graceful_ms);
    // Beside each other: users leave, recordings come to the disk.
    let graceful = (graceful + end.handler()).max(config.recorder.finish());
    // Sockets, certificates, sessions, pollers and ports, probe, reclaimer, control thread,
    // metrics, what the kernel keeps.
    let parts = 9;
    graceful + end.handler() + (end.cleanup() + end.force()) * parts
}

#[test]
fn unit_against_the_defaults_then_paths_times_and_capabilities_agree() {
    let unit = unit();
    let config = Config::default();
    let directory = |key: &str, root: &str| PathBuf::from(root).join(&unit[key]);
    let runtime = directory("RuntimeDirectory", "/run");
    assert_eq!(config.control.socket.parent(), Some(&*runtime));
    assert_eq!(config.attach.socket.parent(), Some(&*runtime));
    assert_eq!(config.state.dir, directory("StateDirectory", "/var/lib"));
    assert_eq!(unit["Type"], "notify");
    assert_eq!(unit["NotifyAccess"], "main");
    let seconds = |key: &str| Duration::from_secs(unit[key].parse().unwrap());
    assert!(
        seconds("TimeoutStopSec") > longest_end(),
        "{:?}",
        longest_end()
    );
    let previous = Duration::from_millis(config.timeouts.previous_ms);
    assert!(seconds("TimeoutStartSec") > previous + Duration::from_secs(10));
    // A poller that is stuck is noticed, a busy machine is not.
    assert!((10..=60).contains(&seconds("WatchdogSec").as_secs()));
    let given: BTreeSet<&str> = unit["CapabilityBoundingSet"]
        .split(' ')
        .map(|word| word.strip_prefix("CAP_").unwrap())
        .collect();
    assert_eq!(given, CAPABILITIES.into());
    for hidden in [
        "PrivateNetwork",
        "PrivateUsers",
        "ProtectProc",
        "ProcSubset",
        "PrivatePIDs",
    ] {
        assert!(
            !unit.contains_key(hidden),
            "{hidden} hides clients or interfaces"
        );
    }
}

#[test]
fn daemonset_against_the_defaults_then_paths_times_and_capabilities_agree() {
    let pod = pod();
    let config = Config::default();
    assert_eq!(pod["hostPID"], true);
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(Duration::from_secs(grace) > longest_end());
    let container = &pod["containers"][0];
    let capabilities = &container["securityContext"]["capabilities"];
    assert_eq!(words(&capabilities["drop"]), ["ALL"]);
    let given: BTreeSet<&str> = words(&capabilities["add"]).into_iter().collect();
    assert_eq!(given, CAPABILITIES.into());
    for (probe, flag) in [
        ("startupProbe", "--live"),
        ("livenessProbe", "--live"),
        ("readinessProbe", "--ready"),
    ] {
        let command = words(&container[probe]["exec"]["command"]);
        assert_eq!(command, ["onairctl", "health", flag], "{probe}");
    }
    let stop = words(&container["lifecycle"]["preStop"]["exec"]["command"]);
    assert_eq!(stop, ["onairctl", "shutdown", "--watch"]);

    // Where sockets and state are by default, something of the node's is mounted.
    let mounts = container["volumeMounts"].as_sequence().unwrap();
    let volumes = pod["volumes"].as_sequence().unwrap();
    let on_the_node = |inside: &Path| {
        let mount = mounts
            .iter()
            .find(|it| Path::new(it["mountPath"].as_str().unwrap()) == inside);
        let name = &mount.unwrap_or_else(|| panic!("{}", inside.display()))["name"];
        let volume = volumes.iter().find(|it| it["name"] == *name).unwrap();
        volume["hostPath"]["path"].as_str().map(PathBuf::from)
    };
    for folder in [config.control.socket.parent().unwrap(), &*config.state.dir] {
        assert_eq!(on_the_node(folder).as_deref(), Some(folder));
    }
    let text = packaging("container/Containerfile");
    assert!(text.contains(r#"ENTRYPOINT ["/usr/bin/onaird"]"#));
    assert!(text.contains("STOPSIGNAL SIGTERM"));
}

#[test]
fn configurations_packaged_then_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let all = daemonset();
    let map = all.iter().find(|it| it["kind"] == "ConfigMap").unwrap();
    let sample = packaging("onaird.toml");
    let whole: String = sample
        .lines()
        .map(|line| match line.strip_prefix('#') {
            // Keys that are switched off; prose begins with a blank.
            Some(key) if !key.starts_with(' ') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    for text in [
        &*sample,
        &*whole,
        map["data"]["onaird.toml"].as_str().unwrap(),
    ] {
        let path = folder.path().join("onaird.toml");
        fs::write(&path, text).unwrap();
        Config::load(&path).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    // The pod asks for the hugepages that its configuration requires.
    let hugepages = &pod()["containers"][0]["resources"]["limits"]["hugepages-2Mi"];
    assert_eq!(*hugepages, "512Mi");
}

/// The names of OnAir's metrics in `text`.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("onair_")).collect()
}

#[test]
fn alerts_name_metrics_that_the_daemon_has_and_say_what_to_do() {
    let mut served = metrics(include_str!("../src/control/actor/metrics.rs"));
    served.extend(metrics(include_str!("../src/session/metrics.rs")));
    let rules: Value = serde_yaml_ng::from_str(&packaging("prometheus/onair.rules.yml")).unwrap();
    let rules = rules["groups"][0]["rules"].as_sequence().unwrap();
    let mut named = 0;
    for rule in rules {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for metric in metrics(&text(&rule["expr"])) {
            assert!(served.contains(metric), "{metric}");
            named += 1;
        }
        assert!(!text(&rule["annotations"]["action"]).is_empty(), "{rule:?}");
        let severity = text(&rule["labels"]["severity"]);
        assert!(["critical", "warning"].contains(&severity.as_str()));
    }
    assert!(rules.len() >= 10 && named >= 10);
}
