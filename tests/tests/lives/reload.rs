//! SIGHUP: what can change while the daemon runs changes, what cannot is named.

use std::fs;

use anyhow::Result;
use onair_api::operations::{ReloadConfig, ShowConfig};
use onair_api::{ActiveConfig, Reload, ReloadOutcome};
use onair_tests::{Deadline, Raster, Rig, onairctl, receive, until, wait_for};
use rustix::process::Signal;

fn config(rig: &Rig) -> Result<ActiveConfig> {
    rig.control()?.call::<ShowConfig>(&())
}

/// Whether health says that a restart would fail.
fn is_invalid(rig: &Rig) -> Result<bool> {
    let problems = rig.control()?.health()?.problems;
    Ok(problems
        .iter()
        .any(|it| it.contains("a restart would fail")))
}

/// Changes the file, sends SIGHUP, and waits for what comes of it.
fn hang_up(rig: &mut Rig, change: impl FnOnce(String) -> String) -> Result<Reload> {
    let before = config(rig)?.last_reload.map(|it| it.at);
    let file = rig.stage().directory().join("onaird.toml");
    fs::write(&file, change(fs::read_to_string(&file)?))?;
    rig.daemon()?.running().signal(Signal::HUP)?;
    until("the reload", Deadline::seconds(30), || {
        let last = config(rig)?.last_reload;
        Ok(last.filter(|it| Some(it.at) != before))
    })
}

#[test]
fn sighup_after_each_change_of_the_file_then_applied_or_refused() -> Result<()> {
    let mut rig = Rig::rings()?;
    let active = config(&rig)?;
    assert_eq!(active.active["limits"]["sessions"], 256);
    assert!(active.last_reload.is_none());
    assert!(
        active
            .file
            .is_some_and(|file| file.ends_with("onaird.toml"))
    );

    let done = hang_up(&mut rig, |text| {
        text.replace(
            "[probe]",
            "[limits]\nsessions = 1\n[log]\nfilter = \"debug\"\n[probe]",
        )
        .replace("attach.sock", "other.sock")
    })?;
    assert_eq!(done.outcome, ReloadOutcome::Partly);
    let keys: Vec<_> = done.applied.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["limits.sessions", "log.filter"]);
    let [refusal] = &done.refused[..] else {
        panic!("{:?}", done.refused)
    };
    assert_eq!(refusal.change.key, "attach.socket");
    assert!(refusal.reason.contains("bound at the start"));
    // In force: the limit, the old socket.
    let mut control = rig.control()?;
    control.receiver("one", 5000)?;
    let refused = control.try_create(&receive("two", Raster::SMALL, 5001))?;
    assert_eq!(refused.code(), "limit_reached");
    rig.test_client()?.say("attach one")?;
    assert_eq!(config(&rig)?.active["limits"]["sessions"], 1);
    for word in ["DEBUG", "attach.socket", "not reloaded"] {
        // The log has a thread of its own.
        wait_for(format_args!("{word} in the log"), 30, || {
            Ok(rig.daemon()?.log().contains(word))
        })?;
    }

    let done = hang_up(&mut rig, |text| {
        text.replace("sessions = 1", "sessions = many")
    })?;
    assert_eq!(done.outcome, ReloadOutcome::Failed);
    assert!(done.error.is_some() && done.applied.is_empty());
    assert_eq!(config(&rig)?.active["limits"]["sessions"], 1);
    assert!(is_invalid(&rig)?);
    // What the unit's ExecReload does.
    let ran = onairctl(&rig, "config reload")?;
    assert!(
        ran.code == 1 && ran.out.contains("sessions = many"),
        "{ran:?}"
    );

    let done = hang_up(&mut rig, |text| {
        text.replace("sessions = many", "sessions = 2")
            .replace("other.sock", "attach.sock")
    })?;
    assert_eq!(
        (done.outcome, done.applied.len()),
        (ReloadOutcome::Applied, 1)
    );
    control.receiver("two", 5001)?;
    assert!(!is_invalid(&rig)?);
    // Without a reload.
    let file = rig.stage().directory().join("onaird.toml");
    let valid = fs::read(&file)?;
    for (text, is_wrong) in [(&b"[prot"[..], true), (&valid, false)] {
        fs::write(&file, text)?;
        wait_for("the file to be read", 30, || {
            Ok(is_invalid(&rig)? == is_wrong)
        })?;
    }

    // The same over the socket.
    let again = control.call::<ReloadConfig>(&())?;
    assert_eq!(
        (again.outcome, again.applied.len()),
        (ReloadOutcome::Applied, 0)
    );
    Ok(())
}
