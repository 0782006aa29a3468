//! A flow out of port `a` and into port `b`, with a client that looks at every frame.

use anyhow::{Result, ensure};
use onair_api::{SessionCounters, Source};
use onair_essence::video::VideoDocument;
use onair_stage::OfVideo as _;
use onair_stage::{Deadline, wait_for};

use crate::clients::seen::Seen;
use crate::clients::viewer::Viewer;
use crate::dropped::dropped_by_kernel;
use crate::rig::Rig;
use onair_stage::Control;
use onair_stage::{QUOTA, Raster, receive, send};

/// A running session `in`, a running session `out` that sends to it, and a viewer on `in`.
#[derive(Debug)]
pub struct RelayedVideo {
    namespace: String,
    /// A connection to the daemon.
    pub control: Control,
    /// The client on `in`.
    pub viewer: Viewer,
}

impl RelayedVideo {
    /// Starts both.
    pub fn start(rig: &Rig, raster: Raster, source: Source) -> Result<Self> {
        Self::of(rig, raster, source, |_| {})
    }

    /// Starts both, with formats that `adapt` has changed.
    pub fn of(
        rig: &Rig,
        raster: Raster,
        source: Source,
        adapt: impl Fn(&mut VideoDocument),
    ) -> Result<Self> {
        let mut control = rig.control()?;
        let mut into = receive("in", raster, 5004);
        into.quota = Some(QUOTA);
        adapt(into.format.video_mut());
        control.create(&into)?;
        let viewer = Viewer::start(rig, "in")?;
        let mut out = send("out", raster, 5004, source);
        adapt(out.format.video_mut());
        control.create(&out)?;
        let namespace = rig.stage().namespace().to_owned();
        Ok(Self {
            namespace,
            control,
            viewer,
        })
    }

    /// Waits until `in` has received every packet that `out` has sent by now.
    pub fn settle(&mut self) -> Result<()> {
        let sent = self.control.show("out")?.counters.packets;
        wait_for("what was sent to be received", 20, || {
            let received = self.control.show("in")?.counters.packets;
            Ok(received >= sent)
        })
    }

    /// Stops and destroys both. The final counts of `out`, of which nothing was lost on the way but what the kernel
    /// dropped, and what the viewer saw of the frames that came whole.
    pub fn end(mut self) -> Result<(SessionCounters, Vec<Seen>)> {
        let out = self.control.end("out")?.frames;
        let mut dropped = 0;
        wait_for("what was sent to be received", 20, || {
            let received = self.control.show("in")?.counters.packets;
            if received < out.packets {
                dropped = dropped_by_kernel(&self.namespace, &mut self.control)?;
            }
            Ok(received + dropped >= out.packets)
        })?;
        let mut seen = self
            .viewer
            .finish(&mut self.control, Deadline::seconds(20))?;
        let into = self.control.destroy_wait("in")?.frames;
        let lost = out.packets.saturating_sub(into.packets);
        let nothing_lost = into.packets <= out.packets
            && lost <= dropped
            && out.frames_sent - into.frames_complete <= lost
            && into.frames_incomplete <= lost
            && into.frames_no_buffer == 0
            && seen.len() as u64 + into.frames_dropped_slow
                == into.frames_complete + into.frames_incomplete;
        ensure!(
            nothing_lost,
            "sent {out:?}, received {into:?}, seen {}, dropped {dropped}",
            seen.len()
        );
        seen.retain(|frame| frame.complete);
        Ok((out, seen))
    }
}
