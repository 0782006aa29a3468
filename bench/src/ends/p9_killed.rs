//! P9: a client is killed with SIGKILL while it holds buffers → they are back in use, beside the
//! kernel's notification by pidfd alone, of the very same death.
//!
//! The real daemon, with the probe. Each client holds its whole quota of a session that it would
//! fill. When the daemon has credited them stands in the session's certificate.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use onair_api::{ReconciledWhat, Source, SpecDocument};
use onair_stage::{Rig, send, wait_for};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::load::users::{self, Wanted};
use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::rig::{self, TINY};
use crate::run::Run;

/// Clients of one session: a certificate lists 200.
const CLIENTS: usize = 25;
const QUOTA: u32 = 4;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let sessions = run.either(10, 1);
    run.case("clients", sessions * CLIENTS);
    let rig = rig::rings()?;
    let (mut ours, mut reference) = (Samples::default(), Samples::default());
    let done = (0..sessions).try_for_each(|_| one(&rig, run, &mut ours, &mut reference));
    rig.end(done)?;
    Ok(vec![
        Row::of("P9", "SIGKILL → the frames are credited", "µs", &ours)
            .beside("pidfd readable, same death", &ours, &reference)
            .pinned("none; the poller on the last core")
            .target("p99 < 1 ms", |row| row.p99_at_most(1_000.0)),
    ])
}

fn one(rig: &Rig, run: &Run, ours: &mut Samples, reference: &mut Samples) -> Result<()> {
    let mut control = rig.control()?;
    let session = control.create(&SpecDocument {
        quota: Some(QUOTA),
        ..send("bench", TINY, 5004, Source::Client)
    })?;
    let id = session.id;
    let wanted = Wanted {
        held: QUOTA,
        ..Wanted::default()
    };
    let mut deaths = vec![];
    for _ in 0..CLIENTS {
        let names = [id.to_string()];
        let mut user = users::start(rig.stage(), &rig.attach_socket(), &names, wanted)?;
        let (pid, pidfd) = (user.pid(), user.running().pidfd()?);
        let begin = wall_ns();
        user.running().signal(Signal::KILL)?;
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: 10,
            tv_nsec: 0,
        };
        ensure!(poll(&mut fds, Some(&timeout))? == 1, "it did not die");
        reference.push((wall_ns() - begin) / 1e3);
        deaths.push((pid, begin));
        drop(user);
        wait_for("the client to be gone", 10, || {
            Ok(control.show(id)?.attachments.is_empty())
        })?;
        run.step();
    }
    control.stop(id)?;
    let certificate = control.destroy_wait(id)?;
    for (pid, begin) in deaths {
        let mut settled = certificate.reconciled.iter();
        let settled = settled
            .find(|it| it.pid == pid && it.what == ReconciledWhat::HeldFrames)
            .with_context(|| format!("process {pid} is not in the certificate"))?;
        ensure!(
            settled.frames == u64::from(QUOTA),
            "process {pid} had {} frames",
            settled.frames
        );
        let at = format!("{}", settled.at);
        ours.push((ns_of(humantime::parse_rfc3339(&at)?) - begin) / 1e3);
    }
    Ok(())
}

fn wall_ns() -> f64 {
    ns_of(SystemTime::now())
}

fn ns_of(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64() * 1e9)
}
