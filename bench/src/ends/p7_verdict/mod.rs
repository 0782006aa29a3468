//! P7: the last user leaves → the verdict → the certificate is in the owner's hands, beside one round
//! trip on the control socket (what waking the control thread and being answered costs), and a write to the disk on which
//! the certificate is.
//!
//! The real daemon, with ring ports. The last user is a thread that holds a frame of a send session
//! while the owner waits in `destroy_wait`; leaving is its `buffer_put`.

mod last_return;

use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Client, SessionSpec, Timeout};
use onair_api::{SessionState, StepName};
use onair_ipc::sys;
use onair_stage::{Control, Rig, wait_for};

use crate::load::disk::{Disk, SYNC};
use crate::result::row::Row;
use crate::result::samples::{Samples, micros, micros_since};
use crate::rig;
use crate::run::Run;

const NAME: &str = "bench";
/// Never reached: the user leaves long before.
const WAIT: Duration = Duration::from_secs(20);
/// Round trips for each destroy.
const TRIPS: usize = 5;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rig = rig::rings()?;
    let measured = rounds(run.of(500), run, &rig).and_then(|mut rows| {
        rows.extend(last_return::rows(&rig, run)?);
        Ok(rows)
    });
    rig.end(measured)
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
    sync: Samples,
}

fn rounds(count: usize, run: &Run, rig: &Rig) -> Result<Vec<Row>> {
    let client = Client::at(rig.attach_socket());
    let spec = spec()?;
    let mut control = rig.control()?;
    let disk = Disk::beside(rig)?;
    let mut times = Times::default();
    run.case("last put", count);
    for _ in 0..count {
        one(&client, &spec, &mut control, &mut times)?;
        times.sync.push(disk.sync()?);
        run.step();
    }
    const TRIP: &str = "control-socket round trip";
    const WHERE: &str = "none; the poller on the last core";
    Ok(vec![
        Row::of("P7", "last put → verdict", "µs", &times.verdict)
            .beside(TRIP, &times.verdict, &times.trip)
            .pinned(WHERE)
            .target("p50 ≤ 60 µs, p99 ≤ 200 µs", |row| {
                row.p50_at_most(60.0) && row.p99_at_most(200.0)
            }),
        Row::of(
            "P7",
            "last put → owner has the certificate",
            "µs",
            &times.certificate,
        )
        .beside(SYNC, &times.certificate, &times.sync)
        .pinned(WHERE)
        .ratio_at_most(2.0),
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
    let id = session.id();
    let buffer = match session.buffer_get_mut(Timeout::millis(5_000)) {
        Err(onair::Error::Stopped) => {
            control.start(id)?;
            session.wait_started(Timeout::millis(5_000))?;
            session.buffer_get_mut(Timeout::millis(5_000))?
        }
        taken => taken?,
    };
    for _ in 0..TRIPS {
        let before = sys::monotonic_ns();
        control.show(id)?;
        times.trip.push(micros_since(before));
    }
    session.stop();
    let (left, certified, certificate) = std::thread::scope(|scope| -> Result<_> {
        let owner = scope.spawn(|| {
            let certificate = session.destroy_wait(WAIT);
            (sys::monotonic_ns(), certificate)
        });
        wait_for("the destroy waiting", 10, || {
            Ok(control.show(id)?.state == SessionState::Draining)
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
    times.verdict.push(micros(verdict.monotonic_ns - left));
    times.certificate.push(micros(certified - left));
    Ok(())
}
