//! When the probe cannot see, or not everything: what is refused, and what the certificate says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use onair_api::{Certificate, HealthStatus, ProbeMode, ProbeState, Reading, Says, Verdict};
use onair_tests::{
    Backend, Breakpoints, Config, Control, Daemon, Deadline, OwnText, Rig, Stage, TestClient,
    program, wait_for,
};

fn probe_of(readings: &[Reading]) -> &Reading {
    let found = readings.iter().find(|it| it.name == "probe");
    found.expect("every verdict has the probe's reading")
}

fn rig(probe: &'static str) -> Result<(Rig, Control)> {
    let rig = Rig::rings_with(|config| config.probe = probe)?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    Ok((rig, control))
}

/// A copy of the test_client without the notes that say where its probe sites are.
fn without_sites(stage: &Stage) -> Result<PathBuf> {
    const NAME: &[u8] = b"stapsdt\0";
    let mut text = fs::read(program("onair-client")?)?;
    let places: Vec<usize> = text
        .windows(NAME.len())
        .enumerate()
        .filter_map(|(at, window)| (window == NAME).then_some(at))
        .collect();
    ensure!(!places.is_empty(), "the test_client has no notes");
    for at in places {
        text[at] = b'S';
    }
    let path = stage.directory().join("blind-test_client");
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Blocks, stops and destroys; the certificate.
fn through(control: &mut Control, client: &mut TestClient) -> Result<Certificate> {
    client.block(2)?;
    client.freeze()?;
    control.stop("cam")?;
    // The counters alone see it, too.
    assert_eq!(control.try_destroy("cam")?.code(), "busy");
    assert_eq!(control.blockers("cam")?.blockers.len(), 2);
    client.thaw()?;
    client.returned(2)?;
    control.destroy_wait("cam")
}

/// Callers of `client` sleep unseen by the probe: nothing is destroyed until it is gone.
fn refused_while_hidden(control: &mut Control, mut client: TestClient) -> Result<()> {
    let tids = hide_callers(&mut client)?;
    client.freeze()?;
    refused_for(control, &tids)?;
    client.kill()?;
    let certificate = control.destroy_wait("cam")?;
    assert_eq!(probe_of(&certificate.readings).says, Says::Zero);
    Ok(())
}

#[test]
fn probe_off_then_the_certificate_says_so() -> Result<()> {
    let (rig, mut control) = rig("off")?;
    let health = control.health()?;
    assert_eq!(health.status, HealthStatus::Degraded);
    assert_eq!(
        (health.probe.mode, health.probe.state),
        (ProbeMode::Off, ProbeState::Off)
    );
    let mut client = rig.test_client()?;
    assert_eq!(client.say("attach cam")?["watched"], false);
    let certificate = through(&mut control, &mut client)?;
    assert_eq!(certificate.probe.mode, ProbeMode::Off);
    assert_eq!(probe_of(&certificate.readings).says, Says::NotApplicable);
    assert!(certificate.probe.files.is_empty());
    Ok(())
}

#[test]
fn probe_preferred_and_a_client_without_sites_then_attached() -> Result<()> {
    let (rig, mut control) = rig("preferred")?;
    let mut seen = rig.test_client()?;
    assert_eq!(seen.say("attach cam")?["watched"], true);
    let mut client = TestClient::start_as(rig.stage(), &without_sites(rig.stage())?)?;
    assert_eq!(client.say("attach cam")?["watched"], false);
    let certificate = through(&mut control, &mut client)?;
    let reading = probe_of(&certificate.readings);
    assert_eq!(reading.says, Says::NotApplicable, "{reading:?}");
    assert!(reading.detail.contains("not watched"), "{reading:?}");
    Ok(())
}

/// A site disarmed while it waits: destroy waits for its end.
fn disarmed_while_it_waits(rig: &Rig, control: &mut Control) -> Result<()> {
    control.receiver("cam", 5000)?;
    let mut client = rig.user("cam")?;
    client.block(2)?;
    Breakpoints::find(client.pid())?.take_away()?;
    control.stop("cam")?;
    // They leave, and the kernel does not see it: the witnesses contradict each other.
    client.returned(2)?;
    wait_for("the threads to end", 10, || {
        Ok(onair_tests::threads(client.pid())?.len() == 1)
    })?;
    // Threads that end are taken out by the kernel; what is left is what cannot be proven.
    let refusal = control.try_destroy("cam")?;
    refusal.refused(503, "probe_blind")?;
    client.leave()?;
    let certificate = control.destroy_wait("cam")?;
    assert_eq!(probe_of(&certificate.readings).says, Says::Zero);
    Ok(())
}

/// Two callers of `client` sleep, the kernel did not see them go to sleep, and no slot counts them.
fn hide_callers(client: &mut TestClient) -> Result<BTreeSet<u32>> {
    let tids = client.block(2)?;
    assert_eq!(client.say("clear-slots")?["cleared"], tids.len());
    Ok(tids)
}

/// The session is stopped and not destroyed, however often it is asked for: the kernel's own list of
/// sleeping threads names the two.
fn refused_for(control: &mut Control, tids: &BTreeSet<u32>) -> Result<()> {
    control.stop("cam")?;
    for _ in 0..3 {
        let refusal = control.try_destroy("cam")?;
        assert_eq!(refusal.code(), "busy", "{}", refusal.json);
        let verdict: Verdict = serde_json::from_value(refusal.json["verdict"].clone())?;
        let reading = probe_of(&verdict.readings);
        assert_eq!(
            (reading.says, reading.users),
            (Says::Users, 2),
            "{reading:?}"
        );
        for tid in tids {
            assert!(reading.detail.contains(&tid.to_string()), "{reading:?}");
        }
        assert!(!verdict.destroyable && verdict.disagreement);
    }
    Ok(())
}

/// The same, of a client with no caller inside that was blind once: it counts as blind.
fn refused_as_blind(control: &mut Control, client: &TestClient, code: &str) -> Result<()> {
    let refusal = control.try_destroy("cam")?;
    assert_eq!(refusal.code(), code, "{}", refusal.json);
    let verdict: Verdict = serde_json::from_value(refusal.json["verdict"].clone())?;
    let reading = probe_of(&verdict.readings);
    let named = format!("probe_blind: in process {}", client.pid());
    assert!(reading.detail.contains(&named), "{reading:?}");
    assert_eq!(reading.says, Says::Unknown, "{reading:?}");
    Ok(())
}

#[test]
fn sites_disarmed_or_changed_then_named_and_blind_to_the_end() -> Result<()> {
    let (rig, mut control) = rig("required")?;
    let mut client = rig.user("cam")?;
    let breakpoints = Breakpoints::find(client.pid())?;
    breakpoints.take_away()?;
    let tids = hide_callers(&mut client)?;
    breakpoints.put_back()?;
    client.freeze()?;
    refused_for(&mut control, &tids)?;
    client.thaw()?;
    client.returned(2)?;
    // Their slots count below zero by now, which is a user, too.
    refused_as_blind(&mut control, &client, "busy")?;
    client.leave()?;
    let certificate = control.destroy_wait("cam")?;
    assert_eq!(probe_of(&certificate.readings).says, Says::Zero);
    disarmed_while_it_waits(&rig, &mut control)?;
    changed_beside(&rig, &mut control)
}

#[test]
fn site_on_a_copy_of_its_page_then_named_and_destroy_waits() -> Result<()> {
    let (rig, mut control) = rig("required")?;
    let (own_text, mut client) = OwnText::start(rig.stage())?;
    client.say("attach cam")?;
    let breakpoints = Breakpoints::find(client.pid())?;
    own_text.copy(&mut client, &breakpoints)?;
    refused_while_hidden(&mut control, client)?;
    copied_without_a_caller(&rig, &mut control)
}

/// A site on a copy of its page, and no caller: destroy waits.
fn copied_without_a_caller(rig: &Rig, control: &mut Control) -> Result<()> {
    control.receiver("cam", 5000)?;
    let (own_text, mut client) = OwnText::start(rig.stage())?;
    client.say("attach cam")?;
    let breakpoints = Breakpoints::find(client.pid())?;
    own_text.copy(&mut client, &breakpoints)?;
    control.stop("cam")?;
    refused_as_blind(control, &client, "probe_blind")?;
    client.leave()?;
    control.destroy_wait("cam")?;
    Ok(())
}

/// Text changed beside the sites: destroy waits for its end.
fn changed_beside(rig: &Rig, control: &mut Control) -> Result<()> {
    control.receiver("cam", 5000)?;
    let client = rig.user("cam")?;
    Breakpoints::find(client.pid())?.scribble_beside()?;
    control.stop("cam")?;
    refused_as_blind(control, &client, "probe_blind")?;
    client.kill()?;
    control.destroy_wait("cam")?;
    Ok(())
}

/// A daemon that is not allowed to use BPF.
struct Crippled {
    // Before the stage.
    _daemon: Daemon,
    stage: Stage,
}

impl Crippled {
    fn start(probe: &'static str) -> Result<Self> {
        let stage = Stage::open("test")?;
        let wrapper = stage.directory().join("onaird-without-bpf");
        fs::write(
            &wrapper,
            format!(
                "#!/bin/sh\nexec setpriv --bounding-set=-bpf,-perfmon,-sys_admin -- {} \"$@\"\n",
                program("onaird")?.display()
            ),
        )?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
        let config = Config {
            probe,
            ..Config::pair(Backend::Ring)
        };
        let daemon = Daemon::start(&stage, &wrapper, &config, Deadline::seconds(30))?;
        Ok(Self {
            _daemon: daemon,
            stage,
        })
    }

    fn control(&self) -> Result<Control> {
        Control::connect(&Config::control_socket(&self.stage))
    }
}

#[test]
fn probe_required_and_not_permitted_then_no_attach_or_destroy() -> Result<()> {
    let crippled = Crippled::start("required")?;
    let mut control = crippled.control()?;
    let health = control.health()?;
    assert_eq!(
        (health.status, health.ready, health.live),
        (HealthStatus::ProbeBlind, false, true)
    );
    assert_eq!(health.probe.state, ProbeState::Blind);
    ensure!(health.probe.reason.is_some_and(|it| !it.is_empty()));
    assert_eq!(control.get("/v1/health")?.status, 503);

    control.receiver("cam", 5000)?;
    let mut client = TestClient::start(&crippled.stage)?;
    for _ in 0..10 {
        assert_eq!(client.errno("attach cam")?, "EIO");
    }
    control.stop("cam")?;
    let refusal = control.try_destroy("cam")?;
    refusal.refused(503, "probe_blind")?;
    Ok(())
}
