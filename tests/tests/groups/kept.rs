//! Groups that come back when the daemon starts anew.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use onair_tests::{Rig, onairctl};
use serde_json::{Value, json};

use super::{descriptions, group, senders};

#[test]
fn group_of_descriptions_with_notes_then_its_json_has_them() -> Result<()> {
    let mut rig = Rig::rings()?;
    let sdp = descriptions(&rig, &senders())?;
    let first = sdp.split(' ').next().context("a file")?;
    let text = fs::read_to_string(first)?.replace("PM=2110GPM", "PM=2110XPM");
    fs::write(first, text)?;
    let notes = |said: &str| -> Result<Vec<Value>> {
        let group: Value = serde_json::from_str(said)?;
        let members = group["members"].as_array().context("members")?;
        Ok(members.iter().map(|it| it["notes"].clone()).collect())
    };
    let created = group(
        &rig,
        &format!("create in --persistent --port b --sdp {sdp}"),
    )?;
    let made = notes(&created.out)?;
    assert_eq!(made[0][0]["parameter"], json!("PM"), "{made:?}");
    assert_eq!(made[0][0]["value"], json!("2110XPM"));
    ensure!(made[1..].iter().all(Value::is_null), "{made:?}");
    rig.kill_daemon()?;
    rig.start_daemon()?;
    let mut kept = notes(&group(&rig, "show in")?.out)?;
    kept.retain(|it| !it.is_null());
    assert_eq!(kept, made[..1]);
    let listed = onairctl(&rig, "group show in")?.out;
    ensure!(listed.contains("noted"), "{listed}");
    group(&rig, "stop in")?;
    group(&rig, "destroy in")?;
    Ok(())
}
