//! SIGHUP: what can change while the daemon runs changes, what cannot is named.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use std::fs;

use anyhow::Result;
use onair_api::{ActiveConfig, Reload, ReloadOutcome};
use onair_tests::{Deadline, Raster, Rig, receive, until};
use rustix::process::Signal;
use serde_json::Value;

fn config(rig: &Rig) -> Result<ActiveConfig> {
    rig.control()?.get("/v1/config")?.document()
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
fn sighup__after_each_change_of_the_file__then_applied_refused_or_left_in_force() -> Result<()> {
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
    control.create(&receive("one", Raster::SMALL, 5000))?;
    let two = serde_json::to_value(receive("two", Raster::SMALL, 5001))?;
    let refused = control.request("POST", "/v1/sessions", &two)?;
    assert_eq!(refused.code(), "limit_reached");
    rig.puppet()?.say("attach one")?;
    assert_eq!(config(&rig)?.active["limits"]["sessions"], 1);
    let log = rig.daemon()?.log();
    for word in ["DEBUG", "attach.socket", "not reloaded"] {
        assert!(log.contains(word), "no {word} in\n{log}");
    }

    let done = hang_up(&mut rig, |text| {
        text.replace("sessions = 1", "sessions = many")
    })?;
    assert_eq!(done.outcome, ReloadOutcome::Failed);
    assert!(done.error.is_some() && done.applied.is_empty());
    assert_eq!(config(&rig)?.active["limits"]["sessions"], 1);

    let done = hang_up(&mut rig, |text| {
        text.replace("sessions = many", "sessions = 2")
            .replace("other.sock", "attach.sock")
    })?;
    assert_eq!(
        (done.outcome, done.applied.len()),
        (ReloadOutcome::Applied, 1)
    );
    control.create(&receive("two", Raster::SMALL, 5001))?;

    // The same over the socket.
    let again: Reload = control
        .request("POST", "/v1/config/reload", &Value::Null)?
        .document()?;
    assert_eq!(
        (again.outcome, again.applied.len()),
        (ReloadOutcome::Applied, 0)
    );
    Ok(())
}
