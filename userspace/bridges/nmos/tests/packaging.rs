//! What is packaged for the program agrees with it: its unit, its user and the example of its settings.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use onair_nmos::settings::Settings;

const USER: &str = "onair-nmos";

fn packaging(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging");
    let path = root.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Keys of the unit with their values, those of one key in a row; without sections, which share no key.
fn unit() -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    let text = packaging("systemd/onair-nmos.service");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    for (key, value) in lines.filter_map(|line| line.split_once('=')) {
        keys.entry(key.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    keys
}

/// The example with every key that it shows. Prose begins with a blank.
fn whole_example() -> String {
    let text = packaging("nmos.toml");
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => key,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

fn read(text: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nmos.toml");
    fs::write(&path, text).unwrap();
    Settings::read(&path, false).map_err(|error| error.to_string())
}

/// The keys of a table, as the error about a key that it does not have names them.
fn keys(table: &str) -> Vec<String> {
    let error = read(&format!("[{table}]\nno_such_key = 1\n")).unwrap_err();
    let (_, expected) = error.split_once("expected one of ").unwrap();
    let names = expected.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

#[test]
fn example_as_installed_then_nothing_but_defaults() {
    assert_eq!(read(&packaging("nmos.toml")).unwrap(), Settings::default());
}

#[test]
fn example_with_every_key_then_valid_and_defaults_shown() {
    let (example, defaults) = (read(&whole_example()).unwrap(), Settings::default());
    assert_eq!(example.listen, defaults.listen);
    assert_eq!(example.control, defaults.control);
    assert_eq!(example.description, defaults.description);
    assert_eq!(example.mdns, defaults.mdns);
    assert_eq!((example.hsts, example.ca), (defaults.hsts, defaults.ca));
    assert_eq!(example.tls.len(), 1);
    assert_eq!(example.asset.manufacturer, defaults.asset.manufacturer);
    assert_eq!(example.asset.product, defaults.asset.product);
    assert_eq!(example.asset.functions, defaults.asset.functions);
    let whole: toml::Table = whole_example().parse().unwrap();
    for table in ["nmos", "nmos.asset"] {
        let shown = table
            .split('.')
            .fold(&whole, |it, name| it[name].as_table().unwrap());
        let all = keys(table);
        assert!(all.len() >= 4, "{all:?}");
        for key in all {
            assert!(
                shown.contains_key(&key),
                "{table}.{key} is not in the example"
            );
        }
    }
}

#[test]
fn unit_then_user_without_a_privilege_and_notified() {
    let unit = unit();
    assert_eq!(unit["Type"], ["notify"]);
    assert_eq!(
        unit["ExecStart"],
        [concat!("/usr/bin/", env!("CARGO_PKG_NAME"))]
    );
    assert_eq!(unit["User"], [USER]);
    for key in ["CapabilityBoundingSet", "AmbientCapabilities"] {
        assert_eq!(unit[key], [""], "{key}");
    }
    for key in [
        "NoNewPrivileges",
        "PrivateTmp",
        "PrivateDevices",
        "ProtectHome",
        "ProtectKernelTunables",
        "RestrictNamespaces",
        "MemoryDenyWriteExecute",
    ] {
        assert_eq!(unit[key], ["yes"], "{key}");
    }
    assert_eq!(unit["ProtectSystem"], ["strict"]);
    // mDNS asks the kernel for the addresses of the interfaces.
    assert_eq!(
        unit["RestrictAddressFamilies"],
        ["AF_UNIX AF_INET AF_INET6 AF_NETLINK"]
    );
    for key in ["After", "Wants"] {
        assert!(unit[key].concat().contains("onaird.service"), "{key}");
    }
    assert_eq!(unit["RestartPreventExitStatus"], ["2"]);
    assert_eq!(unit["MemoryMax"], ["512M"]);
    let sidecar = packaging("kubernetes/nmos/sidecar.yaml");
    assert!(sidecar.contains("memory: 512Mi}"), "{sidecar}");
}

#[test]
fn user_then_in_the_groups_that_connect_and_operate() {
    let users = packaging("debian/onair-nmos.sysusers");
    assert!(users.contains(&format!("u {USER} - ")), "{users}");
    let daemon: toml::Table = packaging("onaird.toml").parse().unwrap();
    let control = daemon["control"].as_table().unwrap();
    let role = &control["role"].as_array().unwrap()[0];
    assert_eq!(role["role"].as_str(), Some("operate"));
    for group in [&control["group"], &role["group"]] {
        let line = format!("m {USER} {}\n", group.as_str().unwrap());
        assert!(users.contains(&line), "{line}");
    }
    // Where there is no systemd-sysusers.
    let script = packaging("debian/onair-nmos.postinst");
    assert!(script.contains(&format!("--groups onair,onair-operators {USER}\n")));
}
