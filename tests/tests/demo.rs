//! The demo, as a newcomer runs it; and what it leaves on the machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, Running, Snapshot, program, wait_for};
use serde_json::Value;

/// `cargo xtask demo ARGUMENTS`, with the programs of these tests.
fn demo(arguments: &[&str]) -> Result<Command> {
    let daemon = program("onaird")?;
    let mut command = Command::new("cargo");
    command
        .args(["xtask", "demo"])
        .args(arguments)
        .arg("--programs")
        .args(daemon.parent())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdin(Stdio::null());
    Ok(command)
}

/// Starts a long demo, and waits until its daemon and its verifying client are there.
fn midway() -> Result<Running> {
    let child = demo(&["--seconds", "600"])?.stderr(Stdio::null()).spawn()?;
    // `cargo run` becomes the program that it runs: the pid is that of xtask.
    let mut demo = Running::new("demo", child)?;
    let pid = demo.pid();
    wait_for("the demo to be in its first act", 300, || {
        ensure!(
            demo.ended()?.is_none(),
            "the demo ended before its first act"
        );
        Ok(runs(pid, "onaird") && runs(pid, "onair-verify"))
    })?;
    Ok(demo)
}

/// Whether such a program runs that `ancestor` has started: other tests have daemons, too.
fn runs(ancestor: u32, command: &str) -> bool {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let is_started = |pid: u32| {
        let mut above = std::iter::successors(Some(pid), |it| parent(*it));
        above.any(|it| it == ancestor)
    };
    let is_it = |pid: u32| {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
        comm.is_ok_and(|comm| comm.trim() == command) && is_started(pid)
    };
    let Ok(entries) = fs::read_dir("/proc") else {
        return false;
    };
    let mut pids = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
    pids.any(is_it)
}

/// Runs it to its end, which must be a good one, and gives its report.
fn report_of(arguments: &[&str]) -> Result<Value> {
    let file = std::env::temp_dir().join(format!("demo-report-{}.json", std::process::id()));
    let status = demo(arguments)?.arg("--json").arg(&file).status()?;
    let text = fs::read(&file).context("the demo wrote no report")?;
    fs::remove_file(&file)?;
    let report: Value = serde_json::from_slice(&text)?;
    ensure!(status.success(), "{status}: {report:#}");
    Ok(report)
}

fn left_behind(before: &Snapshot) -> Result<()> {
    // A busy machine takes its time to free a network namespace.
    let left = before.difference(Deadline::seconds(120))?.more;
    ensure!(left.is_empty(), "left behind: {left:#?}");
    Ok(())
}

#[test]
fn demo_as_ci_runs_it_then_every_field_is_as_it_should_be() -> Result<()> {
    let before = Snapshot::take()?;
    let report = report_of(&["--seconds", "3", "--require", "af_xdp,probe"])?;
    for field in [
        "ok",
        "destroy_refused",
        "disagreement_refused",
        "reconciled",
        "clean",
    ] {
        assert_eq!(report[field], true, "{field}: {report:#}");
    }
    assert_eq!(report["backend"], "af_xdp");
    assert_eq!(report["probe"], "watching");
    let frames = &report["frames"];
    assert_eq!(frames["sent"], frames["received"]);
    assert_eq!(frames["sent"], frames["verified"]);
    assert_eq!((&frames["lost"], &frames["wrong"]), (&0.into(), &0.into()));
    assert_eq!(report["blocked_callers"].as_array().map(Vec::len), Some(5));
    for field in ["stop_to_last_return_us", "last_user_to_certificate_us"] {
        assert!(
            report[field].as_f64().is_some_and(|time| time > 0.0),
            "{field}: {report:#}"
        );
    }
    assert_eq!(report["certificate"]["name"], "studio");
    let programme = &report["programme"];
    for field in ["lost", "wrong"] {
        assert_eq!(programme[field], 0, "{field}: {programme}");
    }
    for field in ["units", "packets_recovered"] {
        let found = programme[field].as_u64();
        assert!(found > Some(100), "{field}: {programme}");
    }
    left_behind(&before)
}

#[test]
fn demo_without_af_xdp_and_probe_then_degraded_and_certified_so() -> Result<()> {
    let report = report_of(&["--seconds", "1", "--without", "af_xdp,probe,second_network"])?;
    assert_eq!(report["ok"], "degraded");
    assert_eq!(report["backend"], "af_packet");
    assert_eq!(report["probe"], "off");
    assert_eq!(report["certificate"]["probe"]["state"], "off");
    Ok(())
}

#[test]
fn demo_killed_midway_and_run_again_then_nothing_is_left() -> Result<()> {
    let before = Snapshot::take()?;
    midway()?.kill()?;
    let status = demo(&["--seconds", "1"])?.status()?;
    ensure!(status.success(), "{status}");
    left_behind(&before)
}
