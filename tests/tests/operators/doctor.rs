//! `onaird --doctor` on this machine, with nothing wrong and with several things wrong.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use onair_stage::Stage;
use onair_tests::program;
use serde_json::Value;

/// The levels by check, and all texts by check.
type Report = BTreeMap<String, (String, String)>;

fn doctor(arguments: &[&str]) -> Result<Output> {
    let output = Command::new(program("onairctl")?)
        .arg("doctor")
        .args(arguments)
        .output();
    output.context("running onairctl")
}

fn report(output: &Output) -> Result<Report> {
    let text = || String::from_utf8_lossy(&output.stderr).into_owned();
    let all: Vec<Value> = serde_json::from_slice(&output.stdout).with_context(text)?;
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    Ok(all
        .iter()
        .map(|it| {
            let texts = format!(
                "{} {} {}",
                word(it, "found"),
                word(it, "why"),
                word(it, "mend")
            );
            (word(it, "check"), (word(it, "level"), texts))
        })
        .collect())
}

#[test]
fn machine_of_these_tests_then_probe_and_af_xdp_are_ok() -> Result<()> {
    let before = fs::read_dir("/run/netns").map_or(0, Iterator::count);
    let output = doctor(&["--json"])?;
    let report = report(&output)?;
    for check in [
        "kernel",
        "membarrier",
        "btf",
        "probe",
        "uprobes",
        "af_xdp",
        "cores",
    ] {
        let (level, texts) = report.get(check).context(check)?;
        assert_eq!(level, "ok", "{check}: {texts}");
    }
    assert_eq!(output.status.code(), Some(0), "{report:#?}");
    assert_eq!(
        fs::read_dir("/run/netns").map_or(0, Iterator::count),
        before
    );
    Ok(())
}

#[test]
fn configuration_with_five_faults_then_each_named_with_advice() -> Result<()> {
    let stage = Stage::open("test")?;
    let file = stage.directory().join("onaird.toml");
    fs::write(
        &file,
        "[control]\ngroup = \"onair-none\"\nsocket = \"/run/onair-none/control.sock\"\n\
         [dpdk]\npci = true\nhugepages = \"require\"\nmemory_mb = 16000000\n\
         [[poller]]\nname = \"p\"\ncore = 999\n\
         [[port]]\nname = \"a\"\npoller = \"p\"\ndevice = \"net_af_xdp0,iface=onair-none\"\naddress = \"10.0.0.1/24\"\n\
         [[port]]\nname = \"b\"\npoller = \"p\"\ndevice = \"ffff:3b:00.0\"\naddress = \"10.0.1.1/24\"\n",
    )?;
    let file = file.to_str().context("a path in UTF-8")?;
    let output = doctor(&["--json", "--config", file])?;
    assert_eq!(output.status.code(), Some(1));
    let report = report(&output)?;
    for (check, cure) in [
        ("socket group", "groupadd --system onair-none"),
        ("hugepages", "vm.nr_hugepages=8000000"),
        ("cores", "poller.p.core = 999"),
        ("interface: a", "ip link"),
        ("device: b", "lspci -D"),
        ("start", "onair-none"),
    ] {
        let (level, texts) = report.get(check).context(check)?;
        assert_eq!(level, "fail", "{check}: {texts}");
        assert!(texts.contains(cure), "{check}: {texts}");
    }
    let text = doctor(&["--config", file])?;
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("Do:  groupadd --system onair-none"), "{text}");
    Ok(())
}
