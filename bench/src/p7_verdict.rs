//! P7: the last user leaves → the verdict → the certificate is in the owner's hands, beside one round
//! trip on the control socket (what waking the control thread and being answered costs).
//!
//! The real daemon, with ring ports. The last user is a thread that holds a frame of a send session
//! while the owner waits in `destroy_wait`; leaving is its `buffer_put`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Client, SessionSpec, Timeout};
use onair_api::StepName;
use onair_ipc::sys;
use onair_stage::{Backend, Config, Daemon, Deadline, Stage, until};

use crate::Effort;
use crate::control::Control;
use crate::row::Row;
use crate::samples::Samples;

const NAME: &str = "bench";
/// Never reached: the user leaves long before.
const WAIT: Duration = Duration::from_secs(20);
/// Round trips for each destroy.
const TRIPS: usize = 5;

pub(crate) fn measure(effort: Effort) -> Result<Vec<Row>> {
    let stage = Stage::open("bench")?;
    let config = Config::pair(Backend::Ring);
    let daemon = Daemon::start(&stage, &onaird()?, &config, Deadline::seconds(30))?;
    let measured = rounds(effort.of(500), &stage);
    let log = daemon.log_tail(20);
    let stopped = daemon.stop(Deadline::seconds(20));
    stage.take_down()?;
    let rows = measured.with_context(|| format!("the daemon's log:\n{log}"))?;
    stopped?;
    Ok(rows)
}

/// The daemon that was built beside this program.
fn onaird() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("onaird");
    anyhow::ensure!(
        path.exists(),
        "there is no {}: build it, as `cargo xtask bench` does",
        path.display()
    );
    Ok(path)
}

fn spec() -> Result<SessionSpec> {
    Ok(serde_json::from_value(serde_json::json!({
        "name": NAME, "direction": "send", "source": "client", "port": "a",
        "video": {"width": 64, "height": 16, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": "10.77.0.2:5004"},
    }))?)
}

#[derive(Default)]
struct Times {
    verdict: Samples,
    certificate: Samples,
    trip: Samples,
}

fn rounds(count: usize, stage: &Stage) -> Result<Vec<Row>> {
    let client = Client::at(Config::attach_socket(stage));
    let spec = spec()?;
    let mut control = Control::connect(&Config::control_socket(stage))?;
    let mut times = Times::default();
    for _ in 0..count {
        one(&client, &spec, &mut control, &mut times)?;
    }
    let beside = ("control-socket round trip", &times.trip);
    Ok(vec![
        Row::new(("P7", "last put → verdict"), "µs", &times.verdict, beside)
            .pinned("none; the poller on the last core")
            .target("p50 ≤ 60 µs, p99 ≤ 200 µs", |row| {
                row.p50 <= 60.0 && row.p99 <= 200.0
            }),
        Row::new(
            ("P7", "last put → owner has the certificate"),
            "µs",
            &times.certificate,
            beside,
        )
        .pinned("none; the poller on the last core"),
    ])
}

/// One session, from its creation to its certificate.
fn one(
    client: &Client,
    spec: &SessionSpec,
    control: &mut Control,
    times: &mut Times,
) -> Result<()> {
    let session = client.create(spec)?;
    let path = format!("/v1/sessions/{}", session.id());
    let buffer = match session.buffer_get_mut(Timeout::millis(5_000)) {
        Err(onair::Error::Stopped) => {
            control.must("POST", &format!("{path}/start"))?;
            session.wait_started(Timeout::millis(5_000))?;
            session.buffer_get_mut(Timeout::millis(5_000))?
        }
        taken => taken?,
    };
    for _ in 0..TRIPS {
        let before = sys::monotonic_ns();
        control.must("GET", &path)?;
        times.trip.push(micros(before, sys::monotonic_ns())?);
    }
    session.stop();
    let (left, certified, certificate) = std::thread::scope(|scope| -> Result<_> {
        let owner = scope.spawn(|| {
            let certificate = session.destroy_wait(WAIT);
            (sys::monotonic_ns(), certificate)
        });
        until("the destroy waiting", Deadline::seconds(10), || {
            let view = control.must("GET", &path)?;
            Ok((view["state"] == "draining").then_some(()))
        })?;
        let left = sys::monotonic_ns();
        drop(buffer);
        let (certified, certificate) = owner.join().expect("the owner does not panic");
        Ok((left, certified, certificate?))
    })?;
    let certificate = certificate.read().context("the certificate's form")?;
    let verdict = certificate
        .steps
        .iter()
        .find(|step| step.step == StepName::Verdict)
        .context("a certificate without a verdict")?;
    times.verdict.push(micros(left, verdict.monotonic_ns)?);
    times.certificate.push(micros(left, certified)?);
    Ok(())
}

fn micros(from_ns: u64, to_ns: u64) -> Result<f64> {
    let ns = to_ns
        .checked_sub(from_ns)
        .context("the daemon's clock runs before ours")?;
    Ok(f64::from(u32::try_from(ns)?) / 1_000.0)
}
