//! A flow of GStreamer's into a session, of which every frame must arrive as it was sent, but for packets that the kernel
//! dropped on their way.

use anyhow::{Context as _, Result, ensure};
use onair_api::{SessionCounters, SpecDocument};
use onair_stage::OfVideo as _;
use onair_stage::{Deadline, wait_for};

use crate::clients::viewer::Viewer;
use crate::dropped::{dropped_by_kernel, excused};
use crate::network::neighbour::resolve;
use crate::others::sender::{GStreamer, Pixels, frame_hashes};
use crate::rig::Rig;
use onair_stage::Control;
use onair_stage::QUOTA;
use onair_stage::{Raster, receive};

/// The address of port `b`.
const OURS: &str = "10.77.0.2";

/// The session `in` on port `b`, with a viewer, and GStreamer that sends to it.
#[derive(Debug)]
pub struct WholeFlow {
    namespace: String,
    control: Control,
    viewer: Viewer,
    sender: GStreamer,
    raster: Raster,
    pixels: Pixels,
    frames: u32,
}

impl WholeFlow {
    /// The UDP port of the flow.
    pub const UDP: u16 = 5004;

    /// Starts a flow of `frames` frames on a rig that stands beside the kernel. `adapt` may change
    /// the session's specification.
    pub fn start(
        rig: &Rig,
        raster: Raster,
        frames: u32,
        adapt: impl FnOnce(&mut SpecDocument),
    ) -> Result<Self> {
        Self::start_as(rig, (raster, Pixels::of(raster)), frames, adapt)
    }

    /// As [`Self::start`], with these pixels.
    pub fn start_as(
        rig: &Rig,
        (raster, pixels): (Raster, Pixels),
        frames: u32,
        adapt: impl FnOnce(&mut SpecDocument),
    ) -> Result<Self> {
        let mut control = rig.control()?;
        let mac = resolve(rig.stage(), OURS)?;
        let ours = control.health()?.dataplane.ports.remove(0).mac;
        ensure!(mac == ours, "we answered {mac} to ARP, but have {ours}");
        let mut spec = receive("in", raster, Self::UDP);
        spec.quota = Some(QUOTA);
        spec.format.video_mut().sampling = Some(pixels.sampling());
        adapt(&mut spec);
        control.create(&spec)?;
        let viewer = Viewer::start(rig, "in")?;
        let sender = GStreamer::start_as(rig.stage(), (raster, pixels), frames, (OURS, Self::UDP))?;
        Ok(Self {
            namespace: rig.stage().namespace().to_owned(),
            control,
            viewer,
            sender,
            raster,
            pixels,
            frames,
        })
    }

    /// Waits until the first frames have come.
    pub fn flows(&mut self) -> Result<()> {
        self.viewer.wait(3, Deadline::seconds(20))
    }

    /// Whether GStreamer has sent all.
    pub fn is_sent(&mut self) -> Result<bool> {
        self.sender.ended()
    }

    /// Packets that the kernel dropped so far.
    pub fn dropped(&mut self) -> Result<u64> {
        dropped_by_kernel(&self.namespace, &mut self.control)
    }

    /// Waits for all frames, and destroys the session. Its final counts, once each frame has been
    /// found to be the one that was sent, in order and once.
    pub fn finish(mut self) -> Result<SessionCounters> {
        let raster = self.raster;
        let file = self.sender.finish(Deadline::seconds(60))?;
        let mut last = SessionCounters::default();
        let came = wait_for("all frames but those that were dropped", 20, || {
            let taken = self.viewer.taken()?;
            if taken >= self.frames.into() {
                return Ok(true);
            }
            let counters = self.control.show("in")?.counters;
            let is_still = counters == last;
            last = counters;
            Ok(is_still
                && taken + dropped_by_kernel(&self.namespace, &mut self.control)?
                    >= self.frames.into())
        });
        let came = came.and_then(|()| self.viewer.finish(&mut self.control, Deadline::seconds(20)));
        let seen = match came {
            Ok(seen) => seen,
            Err(error) => {
                let counters = self.control.show("in")?.counters;
                return Err(error.context(format!("{raster:?}: {counters:?}")));
            }
        };
        let counters = self.control.destroy_wait("in")?.frames;
        let sent = frame_hashes(&file, raster, self.pixels)?;
        ensure!(
            sent.len() == self.frames as usize,
            "{} frames sent",
            sent.len()
        );
        let incomplete: Vec<_> = seen.iter().filter(|frame| !frame.complete).collect();
        let missing = sent.len().saturating_sub(seen.len()) as u64;
        let lost = counters.packets_lost.max(missing);
        ensure!(
            incomplete.len() as u64 <= counters.packets_lost && seen.len() <= sent.len(),
            "{raster:?}: {counters:?}: {incomplete:#?}"
        );
        excused(&self.namespace, &mut self.control, lost)
            .with_context(|| format!("{raster:?}: {counters:?}: {incomplete:#?}"))?;
        let ticks = 90_000 / raster.rate;
        let (mut at, mut before) = (0, None);
        for frame in &seen {
            let step = frame
                .rtp_timestamp
                .wrapping_sub(before.unwrap_or(frame.rtp_timestamp));
            let steps = (step + ticks / 2) / ticks;
            at += steps as usize;
            // GStreamer rounds: a sixtieth of a second is 1499 to 1501 ticks.
            ensure!(
                before.is_none() || steps > 0 && step.abs_diff(steps * ticks) <= 1,
                "{step} ticks from a frame to the next"
            );
            ensure!(
                !frame.complete || sent.get(at) == Some(&frame.hash),
                "{raster:?}: frame {at} is not that which was sent: {counters:?}"
            );
            before = Some(frame.rtp_timestamp);
        }
        Ok(counters)
    }
}
