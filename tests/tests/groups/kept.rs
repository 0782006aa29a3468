//! Groups that come back when the daemon starts anew.

use anyhow::Result;
use onair_api::SessionState::{Running, Stopped};
use onair_tests::{Rig, onairctl};

use super::{descriptions, group, senders, states};

#[test]
fn group_persistent_then_back_after_a_kill_less_ended_members() -> Result<()> {
    let mut rig = Rig::rings()?;
    let sdp = descriptions(&rig, &senders())?;
    group(
        &rig,
        &format!("create in --persistent --port b --sdp {sdp}"),
    )?;
    let mut control = rig.control()?;
    control.end("in-ancillary")?;
    assert_eq!(
        control.show("in-audio")?.member_of.map(String::from),
        Some("in".into())
    );
    drop(control);
    // In the order of their names, as the daemon restores them.
    let named = |state| ["in-audio", "in-video"].map(|name| (name.to_owned(), state));
    assert_eq!(states(&rig, "in")?.len(), 2);

    rig.kill_daemon()?;
    rig.start_daemon()?;
    assert_eq!(states(&rig, "in")?, named(Running));

    group(&rig, "stop in")?;
    rig.kill_daemon()?;
    rig.start_daemon()?;
    assert_eq!(states(&rig, "in")?, named(Stopped));

    group(&rig, "destroy in")?;
    rig.kill_daemon()?;
    rig.start_daemon()?;
    let gone = onairctl(&rig, "group show in")?;
    assert_eq!(gone.code, 5, "{gone:?}");
    Ok(())
}
