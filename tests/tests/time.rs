//! Clocks: PTP, and the time stamps of senders.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use nix::time::{ClockId, clock_gettime};
use onair_api::{PtpHealth, PtpPortState, PtpState, PtpTimestamping, Source};
use onair_tests::{
    Backend, Config, Control, Follower, HostileClock, Hostility, Ptp4l, Raster, Rig, Stage,
    onairctl, program, send, wait_for,
};
use serde_json::Value;

/// Longest wait for a change, in seconds. The daemon asks once a second.
const TIMEOUT_S: u64 = 30;

/// A daemon that asks ptp4l at the place of the stage's slave, and a send session.
fn rig(stage: Stage) -> Result<(Rig, Control)> {
    let mut config = Config::pair(Backend::Ring);
    // Jitter of software timestamps on a busy machine is no fault here.
    config.more = format!(
        "[clock]\nptp_socket = \"{}\"\nmax_offset_us = 100000\n",
        Ptp4l::socket_of_the_slave(&stage).display()
    );
    let mut rig = onair_stage::Rig::new(stage, config);
    rig.start_daemon()?;
    let rig = Rig::from(rig);
    let mut control = rig.control()?;
    let mut spec = send("out", Raster::SMALL, 5004, Source::Pattern);
    spec.port = "b".into();
    spec.flow.destination = "10.77.0.1:5004".into();
    control.create(&spec)?;
    Ok((rig, control))
}

fn ptp(control: &mut Control) -> Result<PtpHealth> {
    Ok(control.health()?.clock.ptp)
}

/// Waits until the state is `state`, and the reason has `word`.
fn await_ptp(control: &mut Control, state: PtpState, word: &str) -> Result<PtpHealth> {
    let mut last = None;
    let found = wait_for("the state of PTP", TIMEOUT_S, || {
        let ptp = last.insert(ptp(control)?);
        let reason = ptp.reason.as_deref().unwrap_or_default();
        Ok(ptp.state == state && reason.contains(word))
    });
    let last = last.context("it was asked")?;
    found.with_context(|| format!("{state} because of {word:?}; it is {last:?}"))?;
    Ok(last)
}

/// `ts-refclk` of the session, and the version of its description.
fn reference_clock(rig: &Rig) -> Result<(String, u64)> {
    let sdp = onairctl(rig, "session sdp out")?.out;
    let line = |start: &str| sdp.lines().find_map(|line| line.strip_prefix(start));
    let clock = line("a=ts-refclk:").context("a reference clock")?;
    let version = line("o=")
        .and_then(|it| it.split(' ').nth(2))
        .context("o=")?;
    Ok((clock.to_owned(), version.parse()?))
}

fn problems(control: &mut Control) -> Result<Vec<String>> {
    let problems = control.health()?.problems;
    Ok(problems
        .into_iter()
        .filter(|it| it.starts_with("PTP is "))
        .collect())
}

/// What the daemon published so far, by its kind.
fn events(rig: &Rig, kind: &str) -> Result<Vec<Value>> {
    let all = Follower::so_far(rig)?;
    Ok(all.into_iter().filter(|it| it["kind"] == kind).collect())
}

/// The levels of the doctor's lines about PTP.
fn doctor(rig: &Rig) -> Result<Vec<(String, String)>> {
    let config = rig.stage().directory().join("doctor.toml");
    let socket = Ptp4l::socket_of_the_slave(rig.stage());
    let text = format!(
        "[clock]\nptp_socket = \"{}\"\nmax_offset_us = 100000\n",
        socket.display()
    );
    std::fs::write(&config, text)?;
    let output = std::process::Command::new(program("onairctl")?)
        .args(["doctor", "--json", "--config"])
        .arg(&config)
        .output()?;
    let all: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    let word = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let all = all.iter().map(|it| (word(it, "check"), word(it, "level")));
    Ok(all.filter(|(check, _)| check.starts_with("ptp")).collect())
}

#[test]
fn slave_of_a_real_grandmaster_then_descriptions_name_it() -> Result<()> {
    let tai = clock_gettime(ClockId::CLOCK_TAI)?.tv_sec();
    let told = tai - clock_gettime(ClockId::CLOCK_REALTIME)?.tv_sec();
    ensure!(
        told.abs() <= 1,
        "this kernel was told that TAI is {told} s ahead of UTC: a grandmaster with software timestamps sends UTC \
         and cannot be followed by CLOCK_TAI here. Run the test on a machine without PTP"
    );
    let stage = Stage::open("test")?;
    stage.veth(&onair_stage::Veth::bare("ptpm", "ptps"))?;
    let (mut rig, mut control) = rig(stage)?;
    let absent = await_ptp(&mut control, PtpState::Absent, "ptp4l is not reached")?;
    assert_eq!(absent.grandmaster, None);
    assert_eq!(
        problems(&mut control)?.len(),
        1,
        "the configuration names it"
    );
    let (local, first) = reference_clock(&rig)?;
    assert!(local.starts_with("localmac="), "{local}");

    // Each link of the chain alone: none of them lets a description name the grandmaster.
    let grandmaster = Ptp4l::grandmaster(rig.stage(), "ptpm")?;
    let slave = Ptp4l::slave(rig.stage(), "ptps")?;
    let waiting = await_ptp(&mut control, PtpState::Unlocked, "is uncalibrated")?;
    let identity = grandmaster.identity()?;
    let named = waiting.grandmaster.context("a grandmaster")?;
    assert_eq!((named.identity.as_str(), named.domain), (&*identity, 7));
    slave.vouch()?;
    await_ptp(&mut control, PtpState::Unlocked, "time scale is arbitrary")?;
    grandmaster.announce(7, 37)?;
    await_ptp(&mut control, PtpState::Unlocked, "the grandmaster 37 s")?;
    assert_eq!(problems(&mut control)?.len(), 1);
    assert_eq!(reference_clock(&rig)?, (local.clone(), first));
    let lines = doctor(&rig)?;
    assert!(
        lines.contains(&("ptp clock".into(), "warning".into())),
        "{lines:?}"
    );

    grandmaster.announce(6, 0)?;
    let locked = await_ptp(&mut control, PtpState::Locked, "")?;
    let named = locked.grandmaster.context("a grandmaster")?;
    assert_eq!((named.identity.as_str(), named.domain), (&*identity, 7));
    assert_eq!((named.clock_class, named.is_this_machine), (6, false));
    let port = locked.port.context("a port")?;
    assert_eq!(port.state, PtpPortState::Slave);
    assert_eq!(port.interface.as_deref(), Some("ptps"));
    assert_eq!(port.timestamping, Some(PtpTimestamping::Software));
    assert!(locked.offset_ns.is_some_and(|ns| ns.abs() < 100_000_000));
    assert!(problems(&mut control)?.is_empty());
    let of_grandmaster = format!("ptp=IEEE1588-2008:{identity}:7");
    let now = reference_clock(&rig)?;
    assert_eq!(now, (of_grandmaster.clone(), first + 1));
    let scraped = rig.scrape()?;
    for line in [
        "onair_ptp_state{state=\"locked\"} 1",
        "onair_ptp_port_state{state=\"slave\"} 1",
        "onair_ptp_offset_seconds ",
        "onair_ptp_grandmaster_changes_total 1",
    ] {
        assert!(scraped.lines().any(|it| it.starts_with(line)), "{line}");
    }
    assert!(scraped.contains(&format!("grandmaster=\"{identity}\"")));
    let printed = onairctl(&rig, "health")?;
    for word in ["locked; grandmaster", &identity, "port 1 (ptps) slave"] {
        assert!(printed.out.contains(word), "{word}: {}", printed.out);
    }
    let lines = doctor(&rig)?;
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines.iter().all(|(_, level)| level == "ok"), "{lines:?}");

    slave.kill()?;
    await_ptp(&mut control, PtpState::Lost, "ptp4l is not reached")?;
    assert_eq!(problems(&mut control)?.len(), 1);
    assert_eq!(reference_clock(&rig)?, (local, first + 2));
    assert!(!rig.scrape()?.contains("onair_ptp_offset_seconds"));

    let slave = Ptp4l::slave(rig.stage(), "ptps")?;
    slave.vouch()?;
    await_ptp(&mut control, PtpState::Locked, "")?;
    assert_eq!(reference_clock(&rig)?, (of_grandmaster, first + 3));
    let states = events(&rig, "ptp_state")?;
    let states: Vec<_> = states.iter().map(|it| it["state"].as_str()).collect();
    assert!(
        states.starts_with(&[Some("unlocked"), Some("locked"), Some("lost")]),
        "{states:?}"
    );
    assert_eq!(states.last(), Some(&Some("locked")));
    let masters = events(&rig, "ptp_grandmaster")?;
    assert!(
        masters
            .iter()
            .all(|it| it["grandmaster"] == identity.as_str())
    );
    assert!(!masters.is_empty());

    let reply = Config::control_socket(rig.stage()).with_extension("ptp");
    assert!(reply.exists());
    control.end("out")?;
    rig.terminated()?;
    assert!(!reply.exists(), "the daemon removes its socket");
    Ok(())
}

fn resident_kb(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let number = line.and_then(|it| it.split_whitespace().next());
    Ok(number.context("its memory")?.parse()?)
}

#[test]
fn program_in_place_of_ptp4l_is_hostile_then_it_is_not_locked() -> Result<()> {
    let (mut rig, mut control) = rig(Stage::open("test")?)?;
    let place = Ptp4l::socket_of_the_slave(rig.stage());
    let pid = rig.daemon()?.running().pid();
    let before = resident_kb(pid)?;
    for (hostility, word) in [
        (Hostility::Deaf, "does not answer"),
        (Hostility::Silent, "does not answer"),
        (Hostility::Garbage, "is not ptp4l's"),
        (Hostility::Identities, "do not fit together"),
        (Hostility::Flood, ""),
    ] {
        tried(&place, &mut control, hostility, word).with_context(|| format!("{hostility:?}"))?;
    }
    let grown = resident_kb(pid)?.saturating_sub(before);
    assert!(grown < 32 << 10, "{grown} KB more");
    control.end("out")?;
    rig.terminated()?;
    Ok(())
}

/// Lets the daemon ask it for a while, and asks the daemon meanwhile.
fn tried(place: &Path, control: &mut Control, hostility: Hostility, word: &str) -> Result<()> {
    let hostile = HostileClock::start(place, hostility)?;
    let is_tried = || match hostility {
        Hostility::Deaf => true,
        Hostility::Flood => hostile.sent() > 2_000,
        _ => hostile.requests() > 100,
    };
    wait_for("it to be asked", TIMEOUT_S, || {
        let ptp = ptp(control)?;
        ensure!(ptp.state != PtpState::Locked, "{ptp:?}");
        Ok(is_tried() && ptp.reason.is_some_and(|it| it.contains(word)))
    })
}
