//! The alerts that ship, raised by Debian's own Prometheus from a daemon that is really in that fault.

use std::fs::File;
use std::io::Write as _;
use std::thread;

use anyhow::{Context as _, Result};
use nix::libc::{EPERM, SYS_bpf};
use onair::{Session, Timeout};
use onair_api::{SignalState, Source, SpecDocument};
use onair_stage::Veth;
use onair_tests::{
    Backend, Config, Deadline, Disturbance, GStreamer, Prometheus, Ptp4l, QUOTA, Raster, Relay,
    Rig, Stage, onairctl, output, receive, resolve, send, until,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

const RASTER: Raster = Raster::new(320, 180, 25, 8);

/// A daemon with metrics for the Prometheus beside it.
fn metrics(port: u16) -> String {
    format!("[metrics]\nlisten = \"127.0.0.1:{port}\"\n")
}

fn run(rig: &Rig, spec: &SpecDocument) -> Result<()> {
    rig.control()?.create(spec).map(drop)
}

/// A client of the send session `session` that submits a frame for every second one that `clock` receives.
fn slow_writer(rig: &Rig, session: &str, clock: &str) -> Result<thread::JoinHandle<()>> {
    let attach = |name| Session::attach(Config::attach_socket(rig.stage()), name);
    let (session, clock) = (attach(session)?, attach(clock)?);
    Ok(thread::spawn(move || {
        let tick = || clock.buffer_get(Timeout::millis(10_000)).map(drop);
        while let Ok(buffer) = session.buffer_get_mut(Timeout::millis(10_000)) {
            if buffer
                .submit()
                .and_then(|_| tick())
                .and_then(|()| tick())
                .is_err()
            {
                return;
            }
        }
    }))
}

#[test]
fn sessions_with_faults_then_their_alerts_fire_and_none_before() -> Result<()> {
    let port = Prometheus::free_port()?;
    let mut rig = Rig::rings_and(metrics(port))?;
    let spec = SpecDocument {
        quota: Some(QUOTA),
        ..receive("in", RASTER, 5004)
    };
    run(&rig, &spec)?;
    run(&rig, &send("out", RASTER, 5004, Source::Pattern))?;
    let prometheus = Prometheus::start(rig.stage(), port)?;
    let wanted = std::env::var("ONAIR_CALM_SECONDS").ok();
    let seconds: u64 = wanted.map_or(Ok(3), |it| it.parse())?;
    let calm = Deadline::seconds(seconds);
    until("a calm time", Deadline::seconds(seconds + 30), || {
        assert_eq!(prometheus.firing()?, [].into());
        Ok(calm.passed().then_some(()))
    })?;

    run(&rig, &receive("silent", RASTER, 5010))?;
    run(&rig, &receive("wrong", RASTER, 5012))?;
    let wide = Raster::new(640, 180, 25, 8);
    run(&rig, &send("wide", wide, 5012, Source::Pattern))?;
    run(&rig, &receive("twins", RASTER, 5014))?;
    run(&rig, &send("one", RASTER, 5014, Source::Pattern))?;
    run(&rig, &send("two", RASTER, 5014, Source::Pattern))?;
    run(&rig, &send("late", RASTER, 5016, Source::Client))?;
    let late = slow_writer(&rig, "late", "twins")?;
    let slow = Session::attach(Config::attach_socket(rig.stage()), "in")?;
    let held = (0..QUOTA)
        .map(|_| Ok(slow.buffer_get(Timeout::millis(10_000))?))
        .collect::<Result<Vec<_>>>()?;
    prometheus.wait(&[
        "OnAirNoSignal silent",
        "OnAirWrongSignal wrong",
        "OnAirOtherSender twins",
        "OnAirSignalImpaired late",
        "OnAirFramesDropped in",
    ])?;
    drop(held);
    drop(slow);
    rig.control()?.end("late")?;
    late.join().ok();

    rig.kill_daemon()?;
    until("no answer", Deadline::seconds(30), || {
        Ok((prometheus.query("up")? == ["0"]).then_some(()))
    })?;
    rig.start_daemon()?;
    prometheus.wait(&["OnAirRestarted"])?;
    Ok(())
}

#[test]
fn clock_jumps_or_runs_fast_or_link_down_then_the_alerts_fire() -> Result<()> {
    let port = Prometheus::free_port()?;
    let more = metrics(port) + "[signal]\nhold_ms = 3000\n";
    let rig = Rig::beside_the_kernel_and(&more)?;
    let prometheus = Prometheus::start(rig.stage(), port)?;
    resolve(rig.stage(), "10.77.0.2")?;
    run(&rig, &receive("in", RASTER, 5004))?;
    let to = "10.77.0.2:5004".parse()?;
    let relay = Relay::start(rig.stage(), to, Disturbance::default())?;
    // Less than the difference between 60 and 59.94, which is another rate.
    relay.drift(500);
    let entrance = ("127.0.0.1", relay.entrance().port());
    let sender = GStreamer::start(rig.stage(), RASTER, 3_000, entrance)?;
    let mut control = rig.control()?;
    let mut reason = |what: &str| {
        let found = until(what, Deadline::seconds(40), || {
            let reason = control.show("in")?.signal.and_then(|it| it.reason);
            Ok(reason.filter(|it| it.contains(what)))
        });
        found.with_context(|| format!("{:?}", control.show("in")))
    };
    until("the whole drift", Deadline::seconds(60), || {
        let drifts = reason("ppm faster")?;
        let (ppm, _) = drifts.split_once(" ppm").context("ppm")?;
        let ppm: i32 = ppm.rsplit(' ').next().context("a number")?.parse()?;
        Ok(((ppm - 500).abs() < 100).then_some(()))
    })?;
    relay.jump(2 * 90_000);
    let jumped = reason("jumped ahead by")?;
    assert!(
        jumped.contains("by 2.0") || jumped.contains("by 1.9"),
        "{jumped}"
    );
    prometheus.wait(&["OnAirTimestamps in"])?;
    relay.drift(0);
    relay.jump(0);
    // Another sender has another SSRC and other timestamps: that is no jump.
    until("the signal to be ok", Deadline::seconds(40), || {
        let signal = control.show("in")?.signal;
        Ok(signal.filter(|it| it.state == SignalState::Ok))
    })?;
    drop(sender);
    let sender = GStreamer::start(rig.stage(), RASTER, 3_000, entrance)?;
    let calm = Deadline::seconds(4);
    until("a calm time", Deadline::seconds(30), || {
        let signal = control.show("in")?.signal;
        let jumps = signal
            .and_then(|it| it.reason)
            .filter(|it| it.contains("timestamps"));
        assert_eq!(jumps, None);
        Ok(calm.passed().then_some(()))
    })?;
    drop(sender);
    let namespace = rig.stage().namespace();
    output("ip", &["-n", namespace, "link", "set", "va", "down"])?;
    prometheus.wait(&["OnAirPortDown b"])?;
    relay.finish().ok();
    Ok(())
}

#[test]
fn disks_full_and_memory_kept_then_their_alerts_fire() -> Result<()> {
    let port = Prometheus::free_port()?;
    let mut rig = Rig::rings()?;
    let disk = rig.stage().tmpfs("disk", 12 << 20)?;
    rig.stage().tmpfs("state/certificates", 1 << 20)?;
    rig.stop_daemon()?;
    let recorder = format!(
        "[recorder]\nfolder = \"{}\"\nmin_free_mb = 8\nring_mb = 1\n",
        disk.display()
    );
    rig.config.more = recorder + &metrics(port);
    rig.start_daemon()?;
    let prometheus = Prometheus::start(rig.stage(), port)?;
    let mut control = rig.control()?;
    run(&rig, &receive("in", RASTER, 5004))?;
    run(&rig, &send("out", RASTER, 5004, Source::Pattern))?;
    let started = onairctl(&rig, "record start in --name full --format pcapng")?;
    assert_eq!(started.code, 0, "{started:?}");

    // It keeps a frame of a session that ended without it.
    control.receiver("kept", 5010)?;
    control.pattern("source", 5010)?;
    let mut holder = rig.user("kept")?;
    holder.say("hold 1")?;
    let certificates = rig.stage().directory().join("state/certificates");
    let mut ballast = File::create(certificates.join("ballast"))?;
    while ballast.write_all(&[1; 4096]).is_ok() {}
    control.stop("kept")?;
    control.quarantine("kept")?;
    prometheus.wait(&[
        "OnAirMemoryKept",
        "OnAirRecordingDegraded",
        "OnAirCertificatesNotOnDisk",
    ])
}

/// From now on the kernel refuses bpf(2) to this thread, and to the threads and processes that it starts.
fn refuse_bpf() -> Result<()> {
    let refused = SeccompAction::Errno(EPERM.unsigned_abs());
    let rules = [(SYS_bpf, vec![])].into();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, TargetArch::x86_64)?;
    Ok(seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?)
}

fn blind_and_unlocked() -> Result<()> {
    refuse_bpf()?;
    let port = Prometheus::free_port()?;
    let stage = Stage::open("test")?;
    stage.veth(&Veth::bare("ptpm", "ptps"))?;
    let mut config = Config::pair(Backend::Ring);
    config.probe = "preferred";
    let clock = Ptp4l::socket_of_the_slave(&stage);
    let clock = format!("[clock]\nptp_socket = \"{}\"\n", clock.display());
    config.more = clock + &metrics(port);
    let mut rig = onair_stage::Rig::new(stage, config);
    rig.start_daemon()?;
    let rig = Rig::from(rig);
    let prometheus = Prometheus::start(rig.stage(), port)?;
    prometheus.wait(&["OnAirPtpAbsent"])?;
    // A slave that hears no grandmaster.
    let _slave = Ptp4l::slave(rig.stage(), "ptps")?;
    let mut unanswered = send("out", RASTER, 5004, Source::Pattern);
    unanswered.flow.destination = "10.77.0.99:5004".to_owned();
    run(&rig, &unanswered)?;
    prometheus.wait(&[
        "OnAirProbeBlind",
        "OnAirClockNotLocked",
        "OnAirSessionProblem out",
    ])
}

#[test]
fn no_bpf_no_grandmaster_and_no_receiver_then_alerts() -> Result<()> {
    let tried = thread::spawn(blind_and_unlocked).join();
    tried.map_err(|_| anyhow::anyhow!("it panicked"))?
}
