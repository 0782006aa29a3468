//! What is packaged holds against what the daemon does by default.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use onair_settings::config::Config;
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

const PLAIN: &str = "daemonset";
const SRIOV: &str = "sriov/daemonset";

fn packaging(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging");
    let path = root.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Keys of a unit, or of a part of one, with their values, the last one of each; without sections,
/// which share no key.
fn unit(name: &str) -> BTreeMap<String, String> {
    let text = packaging(&format!("systemd/{name}"));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The documents of a manifest.
fn manifest(name: &str) -> Vec<Value> {
    let text = packaging(&format!("kubernetes/{name}.yaml"));
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

fn of_kind(name: &str, kind: &str) -> Value {
    let all = manifest(name);
    all.into_iter().find(|it| it["kind"] == kind).unwrap()
}

fn pod(name: &str) -> Value {
    of_kind(name, "DaemonSet")["spec"]["template"]["spec"].clone()
}

/// The configuration in a manifest.
fn configuration(name: &str) -> String {
    let map = of_kind(name, "ConfigMap");
    map["data"]["onaird.toml"].as_str().unwrap().to_owned()
}

fn words(value: &Value) -> Vec<&str> {
    value
        .as_sequence()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect()
}

fn capabilities(unit: &BTreeMap<String, String>) -> BTreeSet<&str> {
    let words = unit["CapabilityBoundingSet"].split(' ');
    words
        .map(|word| word.strip_prefix("CAP_").unwrap())
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
    // Sockets; beside each other certificates, sessions, pollers and ports, probe, file guard;
    // reclaimer, control thread, metrics, what the kernel keeps.
    let parts = 6;
    graceful + end.handler() + (end.cleanup() + end.force()) * parts
}

#[test]
fn unit_and_defaults_agree_on_paths_times_and_capabilities() {
    let unit = unit("onaird.service");
    let config = Config::default();
    let directory = |key: &str, root: &str| PathBuf::from(root).join(&unit[key]);
    let runtime = directory("RuntimeDirectory", "/run");
    assert_eq!(config.control.socket.parent(), Some(&*runtime));
    assert_eq!(config.attach.socket.parent(), Some(&*runtime));
    assert_eq!(config.state.dir, directory("StateDirectory", "/var/lib"));
    assert_eq!(unit["Type"], "notify");
    assert_eq!(unit["NotifyAccess"], "main");
    // It fails with the reason; a signal cannot.
    assert_eq!(unit["ExecReload"], "/usr/bin/onairctl config reload");
    // A watchdog's restart uses up no start.
    assert_eq!(unit["StartLimitIntervalSec"], "0");
    // Clients are back soon after the first death, and a daemon that dies at each start does not use up a machine.
    assert_eq!(unit["RestartSec"], "100ms");
    assert_eq!(unit["RestartMaxDelaySec"], "1");
    // Nor does an invalid file (6): it may be mended. Arguments (2) are the unit's own.
    assert_eq!(unit["RestartPreventExitStatus"], "2");
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
    assert_eq!(capabilities(&unit), CAPABILITIES.into());
    // It is not root, so it has them only if they are given to it.
    assert_eq!(unit["AmbientCapabilities"], unit["CapabilityBoundingSet"]);
    assert!(packaging("debian/onair.sysusers").contains(&format!("u {} ", unit["User"])));
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
fn part_without_sys_admin_then_only_its_substitutes_are_added() {
    let part = unit("without-sys-admin.conf");
    let mut expected = BTreeSet::from(CAPABILITIES);
    expected.remove("SYS_ADMIN");
    expected.extend(["BPF", "PERFMON", "CHECKPOINT_RESTORE"]);
    assert_eq!(capabilities(&part), expected);
    assert_eq!(part["AmbientCapabilities"], part["CapabilityBoundingSet"]);
}

#[test]
fn daemonset_and_defaults_agree_on_paths_times_and_capabilities() {
    let pod = pod(PLAIN);
    let config = Config::default();
    assert_eq!(pod["hostPID"], true);
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(Duration::from_secs(grace) > longest_end());
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    assert_eq!(security["appArmorProfile"]["type"], "Unconfined");
    let capabilities = &security["capabilities"];
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
        &configuration(PLAIN),
        &configuration(SRIOV).replace("PCI_DEVICE", "0000:3b:02.0"),
    ] {
        let path = folder.path().join("onaird.toml");
        fs::write(&path, text).unwrap();
        Config::load(&path).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    for name in [PLAIN, SRIOV] {
        // The pod asks for the hugepages that its configuration requires.
        let hugepages = &pod(name)["containers"][0]["resources"]["limits"]["hugepages-2Mi"];
        assert_eq!(*hugepages, "512Mi");
    }
}

#[test]
fn pod_with_a_virtual_function_differs_only_in_its_ports_place() {
    let (mut plain, mut sriov) = (pod(PLAIN), pod(SRIOV));
    // The interface is the node's, or the pod's own.
    plain.as_mapping_mut().unwrap().remove("hostNetwork");
    let container = &mut sriov["containers"][0];
    let script = words(&container["args"])[0].to_owned();
    assert!(script.ends_with("exec onaird --config /run/config/onaird.toml"));
    let variable = "$PCIDEVICE_INTEL_COM_ONAIR";
    assert!(script.starts_with(&format!("sed \"s/PCI_DEVICE/{variable}/\" ")));
    for which in ["requests", "limits"] {
        let resources = container["resources"][which].as_mapping_mut().unwrap();
        assert_eq!(resources.remove("intel.com/onair"), Some("1".into()));
    }
    let container = container.as_mapping_mut().unwrap();
    container.remove("command");
    container.remove("args");
    // The folder of the configuration that the script makes.
    let mounts = sriov["containers"][0]["volumeMounts"]
        .as_sequence_mut()
        .unwrap();
    mounts.retain(|it| it["name"] != "made");
    let volumes = sriov["volumes"].as_sequence_mut().unwrap();
    volumes.retain(|it| it["name"] != "made");
    assert_eq!(plain, sriov);
}
