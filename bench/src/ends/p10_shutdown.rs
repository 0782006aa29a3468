//! P10: SIGTERM with 64 and 512 sessions with a blocked caller each → every session has its
//! certificate → the daemon has ended, beside the requirement and dpdk-testpmd's quit.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use onair_api::{Certificate, StepName};
use onair_ipc::sys;
use onair_stage::{Deadline, Raster, Rig, receive};
use rustix::process::Signal;

use crate::load::users::{self, Wanted};
use crate::packets::testpmd::Testpmd;
use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::rig;
use crate::run::Run;

const SESSIONS: usize = 64;
const MANY_SESSIONS: usize = 512;
const LIMIT_MS: f64 = 100.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rounds = run.either(6, 2);
    let many_rounds = run.either(4, 2);
    run.case("SIGTERM", rounds + many_rounds);
    let mut rig = rig::cables(|config| {
        config.state += "certificates = 100000\n";
        config.more += "[limits]\nsessions = 1024\n";
    })?;
    let done = rounds_of(&mut rig, rounds, run).and_then(|few| {
        let mut many = Samples::default();
        for _ in 0..many_rounds {
            many.push(one(&mut rig, MANY_SESSIONS)?.0);
            run.step();
        }
        Ok((few, many))
    });
    let ((certificates, exit, quit), many) = rig.end(done)?;
    let pinned = "none; the poller on the last core";
    Ok(vec![
        Row::of("P10", "SIGTERM → all 64 certificates", "ms", &certificates)
            .limit("requirement: 100 ms", LIMIT_MS)
            .pinned(pinned)
            .target("< 20 ms", |row| row.p50_at_most(20.0)),
        Row::of("P10", "SIGTERM → all 512 certificates", "ms", &many)
            .limit("requirement: 100 ms", LIMIT_MS)
            .pinned(pinned)
            .target("≤ 60 ms", |row| row.p50_at_most(60.0)),
        Row::of("P10", "SIGTERM → exit, two AF_XDP ports", "ms", &exit)
            .beside("testpmd's quit, the same ports", &exit, &quit)
            .pinned(pinned)
            .ratio_at_most(1.2),
    ])
}

fn rounds_of(rig: &mut Rig, rounds: usize, run: &Run) -> Result<(Samples, Samples, Samples)> {
    let mut all = (Samples::default(), Samples::default(), Samples::default());
    let core = *place::cores()?.last().context("no core")?;
    for _ in 0..rounds {
        let testpmd = Testpmd::start(rig.stage(), core, rig.config.hugepages)?;
        all.2.push(testpmd.quit()?.as_secs_f64() * 1e3);
        let (certificates, exit) = one(rig, SESSIONS)?;
        all.0.push(certificates);
        all.1.push(exit);
        run.step();
    }
    Ok(all)
}

/// Milliseconds to the last certificate, and to the end of the process.
fn one(rig: &mut Rig, sessions: usize) -> Result<(f64, f64)> {
    let folder = rig.stage().directory().join("state/certificates");
    // Those of the rounds before stay: ext4 without a journal takes long to make files after many were
    // removed.
    let before = names_in(&folder)?;
    rig.start_daemon()?;
    let mut control = rig.control()?;
    let names: Vec<_> = (0..sessions).map(|at| format!("bench{at}")).collect();
    for (name, udp) in names.iter().zip(5004..) {
        control.create(&receive(name, Raster::SMALL, udp))?;
    }
    let wanted = Wanted {
        blocked: 1,
        ..Wanted::default()
    };
    let users = users::start(rig.stage(), &rig.attach_socket(), &names, wanted)?;
    let mut daemon = rig.take_daemon()?;
    let (begin, began_ns) = (Instant::now(), sys::monotonic_ns());
    daemon.running().signal(Signal::TERM)?;
    let status = daemon.running().wait(Deadline::seconds(30))?;
    let exit = begin.elapsed().as_secs_f64() * 1e3;
    drop(users);
    ensure!(status.success(), "onaird ended with {status}");
    let mut last = (0, 0);
    for name in names_in(&folder)?.difference(&before) {
        let text = std::fs::read(folder.join(name))?;
        let certificate: Certificate = serde_json::from_slice(&text)?;
        let mut steps = certificate.steps.iter();
        let destroyed = steps
            .find(|step| step.step == StepName::Destroyed)
            .context("a certificate without its end")?;
        last = (last.0 + 1, destroyed.monotonic_ns.max(last.1));
    }
    ensure!(last.0 == sessions, "{} certificates", last.0);
    Ok((micros(last.1.saturating_sub(began_ns)) / 1e3, exit))
}

/// The files of a folder, which need not exist.
fn names_in(folder: &Path) -> Result<BTreeSet<OsString>> {
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    let names = std::fs::read_dir(folder)?.map(|file| Ok(file?.file_name()));
    names.collect()
}
