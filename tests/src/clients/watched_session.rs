//! A session with a well-behaved client, which takes every frame while others die beside it.

use anyhow::{Result, ensure};
use onair_api::Certificate;
use onair_stage::{Deadline, wait_for};

use crate::clients::viewer::Viewer;
use crate::process::footprint::Footprint;
use crate::rig::Rig;
use onair_stage::Control;
use onair_stage::Raster;

/// A running session `cam`, a running session `source` that sends to it, a well-behaved client on `cam`,
/// and what the daemon held then.
#[derive(Debug)]
pub struct WatchedSession {
    /// A connection to the daemon.
    pub control: Control,
    viewer: Viewer,
    daemon: u32,
    before: Footprint,
}

impl WatchedSession {
    /// Starts both on a rig with rings.
    pub fn start(rig: &mut Rig) -> Result<Self> {
        let daemon = rig.daemon()?.pid();
        let mut control = rig.control()?;
        control.ample("cam", Raster::SMALL, 5000)?;
        let mut viewer = Viewer::start(rig, "cam")?;
        control.pattern("source", 5000)?;
        viewer.wait(3, Deadline::seconds(30))?;
        let mut before = Footprint::of(daemon)?;
        // The viewer's: it may have a frame just then, or wait.
        before.map_entries.insert("waiters".to_owned(), 1);
        Ok(Self {
            control,
            viewer,
            daemon,
            before,
        })
    }

    /// Waits until the well-behaved client is the only one on `cam`.
    pub fn alone(&mut self) -> Result<()> {
        wait_for("the others to be settled", 30, || {
            let view = self.control.show("cam")?;
            Ok(view.attachments.len() == 1)
        })
    }

    /// Waits until the well-behaved client is the only one, and the daemon holds no more than before the
    /// others came. Then ends both sessions. The well-behaved client must have been shown every frame, each
    /// once and right. Gives the certificate of `cam`, once its memory is given back.
    pub fn end(mut self) -> Result<Certificate> {
        self.alone()?;
        self.before.wait_regained(self.daemon)?;
        let Self {
            mut control,
            mut viewer,
            ..
        } = self;
        let sent = control.end("source")?.frames;
        viewer.wait(sent.frames_sent, Deadline::seconds(30))?;
        control.stop("cam")?;
        let mut seen = viewer.seen()?;
        // What the stop of its sender cuts is not sent, and may arrive as far as it went.
        if sent.frames_dropped_stop > 0 {
            seen.pop_if(|last| last.number == sent.frames_sent && !last.complete);
        }
        for (number, frame) in (0..).zip(&seen) {
            ensure!(
                frame.pattern_number() == Some(number) && frame.number == number && frame.complete,
                "frame {number} was shown as {frame:?}"
            );
        }
        let certificate = control.destroy_wait("cam")?;
        ensure!(
            seen.len() as u64 == sent.frames_sent,
            "{} of {} frames were shown",
            seen.len(),
            sent.frames_sent
        );
        balanced(&certificate, seen.len() as u64)?;
        // It has the memory as long as it lives.
        drop(viewer);
        control.completed(certificate.session)
    }
}

/// Each loan came back in one way, and once; at least `put` were put.
pub fn balanced(certificate: &Certificate, put: u64) -> Result<()> {
    let counts = certificate.counts;
    let back = counts.frames_returned
        + counts.frames_reclaimed
        + counts.frames_reconciled
        + counts.frames_revoked;
    ensure!(
        counts.frames_lent == back && counts.frames_returned >= put,
        "{put} were put: {counts:?}"
    );
    let listed: u64 = certificate.reconciled.iter().map(|it| it.frames).sum();
    ensure!(
        listed == counts.frames_reconciled,
        "{listed} are listed: {counts:?}"
    );
    Ok(())
}
