//! What a daemon puts onto interfaces and disk goes with it, also when it is killed, and nothing
//! else goes.

use anyhow::{Context as _, Result, ensure};
use onair_stage::Veth;
use onair_tests::{Backend, Config, Rig, output, wait_for};
use serde_json::Value;

use super::takeover::{Heir, attached, control_of, next, on_a_wire, taken_over, upgrade};
use crate::deaths::reattach::on_air;

/// An interface: promiscuous on request, and the id of the XDP program on it.
type Seen = (bool, Option<u64>);

fn seen(rig: &Rig, interface: &str) -> Result<Seen> {
    let namespace = rig.stage().namespace();
    let text = output(
        "ip",
        &[
            "-json", "-details", "-n", namespace, "link", "show", interface,
        ],
    )?;
    let all: Value = serde_json::from_str(&text)?;
    let flags = all[0]["flags"].as_array().context("flags")?;
    let promiscuous = flags.iter().any(|flag| flag == "PROMISC");
    Ok((promiscuous, all[0]["xdp"]["prog"]["id"].as_u64()))
}

/// A stage with a cable on which no daemon has been yet. `vb` is promiscuous, as its user wants it.
fn cable() -> Result<Rig> {
    let rig = Rig::rings_with(|config| config.probe = "off")?;
    rig.stage().veth(&Veth::bare("va", "vb"))?;
    let namespace = rig.stage().namespace();
    output(
        "ip",
        &["-n", namespace, "link", "set", "vb", "promisc", "on"],
    )?;
    Ok(rig)
}

fn on_the_cable() -> Config {
    let mut config = Config::pair(Backend::AfXdp);
    config.hugepages = false;
    config
}

#[test]
fn daemon_killed_then_the_next_one_undoes_and_logs_what_it_left() -> Result<()> {
    let mut rig = cable()?;
    let rings = rig.config.clone();
    rig.stop_daemon()?;
    rig.config = on_the_cable();
    rig.start_daemon()?;
    let killed = rig.daemon()?.pid();
    let (a, b) = (seen(&rig, "va")?, seen(&rig, "vb")?);
    assert!(a.0 && b.0, "{a:?} {b:?}");
    ensure!(a.1.is_some() && b.1.is_some(), "{a:?} {b:?}");
    rig.kill_daemon()?;
    wait_for("its links to go with it", 30, || {
        Ok(seen(&rig, "va")? == (true, None))
    })?;

    // It does not open those interfaces: what is undone is undone by the journal.
    rig.config = rings;
    rig.start_daemon()?;
    assert_eq!(seen(&rig, "va")?, (false, None));
    assert_eq!(seen(&rig, "vb")?, (true, None), "the user's own mode");
    let log = rig.daemon()?.log();
    let namespace = rig.stage().namespace();
    for expected in [
        format!("undid what the daemon {killed} left"),
        format!("promiscuous mode on va in namespace {namespace}"),
        "control.sock".to_owned(),
        "attach.sock".to_owned(),
    ] {
        assert!(log.contains(&expected), "no `{expected}` in\n{log}");
    }
    // Once.
    rig.stop_daemon()?;
    rig.start_daemon()?;
    assert!(!rig.daemon()?.log().contains("undid"));
    Ok(())
}

#[test]
fn taken_over_on_af_xdp_then_clean_after_the_last() -> Result<()> {
    let mut rig = on_a_wire(Backend::AfXdp)?;
    let mut control = rig.control()?;
    on_air(&mut control)?;
    let mut cam = attached(&rig)?;
    drop(next(&mut cam)?);
    let is_served = |rig: &Rig| -> Result<bool> {
        let ends = [seen(rig, "va")?, seen(rig, "vb")?];
        Ok(ends.iter().all(|it| matches!(it, (true, Some(_)))))
    };
    ensure!(is_served(&rig)?);
    let (first, mut control) = taken_over(&mut rig, &mut control, &mut cam)?;
    drop(next(&mut cam)?);
    ensure!(is_served(&rig)?);
    ensure!(control.troubles()?.is_empty(), "{:?}", control.troubles()?);
    let second = Heir::of(&upgrade(&mut control)?)?;
    ensure!(first.ended()?, "two daemons");
    drop(control_of(&rig, second.pid())?);
    drop(next(&mut cam)?);
    ensure!(is_served(&rig)?);
    drop(cam);
    second.terminated()?;
    for end in ["va", "vb"] {
        assert_eq!(seen(&rig, end)?, (false, None));
    }
    Ok(())
}
