//! What is packaged for the program agrees with it: its unit, its user and the example of its settings.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::Path;

use onair_mxl::settings::Settings;

fn packaging(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../packaging");
    fs::read_to_string(root.join(path)).unwrap()
}

fn read(text: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mxl.toml");
    fs::write(&path, text).unwrap();
    Settings::read(&path).unwrap()
}

#[test]
fn example_as_installed_then_nothing_but_defaults() {
    assert_eq!(read(&packaging("mxl.toml")), Settings::default());
}

#[test]
fn example_with_every_key_then_valid_and_defaults_shown() {
    let text = packaging("mxl.toml");
    // Prose begins with a blank.
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') => key,
        _ => line,
    });
    let whole: String = lines.map(|line| format!("{line}\n")).collect();
    let (example, defaults) = (read(&whole), Settings::default());
    assert_eq!(example.domain, defaults.domain);
    assert_eq!(example.library, defaults.library);
    assert_eq!(example.attach, defaults.attach);
    assert_eq!(example.allow_utc, defaults.allow_utc);
    assert!(example.seed.is_some());
    let unit = packaging("systemd/onair-mxl.service");
    let control = example.control.as_ref().unwrap();
    let folder = control.parent().unwrap().strip_prefix("/run").unwrap();
    let line = format!("RuntimeDirectory={}", folder.display());
    assert!(unit.lines().any(|it| it == line), "{line}");
    let nmos: String = packaging("nmos.toml");
    assert!(nmos.contains(&format!("#mxl = {control:?}\n")));
    let inward = &example.inward[0];
    assert!(inward.flow.is_some() && inward.label.is_some() && inward.group.is_some());
    assert_eq!(example.outward.len(), 1);
    example.tasks().unwrap();
}

#[test]
fn unit_then_user_without_a_privilege_that_writes_the_domain() {
    let unit = packaging("systemd/onair-mxl.service");
    for line in [
        concat!("ExecStart=/usr/bin/", env!("CARGO_PKG_NAME")),
        "User=onair-mxl",
        "Type=notify",
        "CapabilityBoundingSet=",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ReadWritePaths=-/dev/shm/mxl",
        "RestrictAddressFamilies=AF_UNIX",
    ] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
    let domain = Settings::default().domain;
    let folders = packaging("debian/onair-mxl.tmpfiles");
    let line = format!("d {} 2775 onair-mxl onair -", domain.display());
    assert!(folders.contains(&line), "{folders}");
    let daemon: toml::Table = packaging("onaird.toml").parse().unwrap();
    let group = daemon["control"]["group"].as_str().unwrap();
    let users = packaging("debian/onair-mxl.sysusers");
    assert!(users.contains(&format!("m onair-mxl {group}\n")), "{users}");
    let script = packaging("debian/onair-mxl.postinst");
    assert!(script.contains(&format!("--groups {group} onair-mxl\n")));
}
