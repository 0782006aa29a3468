//! Frames as buffers of GStreamer.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::ClockTime;
use onair::{Layout, OwnedBuffer, PixelFormat, Session, Status, Timeout};
use rustix::time::{ClockId, clock_gettime};

use crate::formats::{add_meta, frame_time};

/// Times of buffers from [`Buffer::media_time_ns`](onair::Buffer::media_time_ns): PTP's, in TAI.
const TAI: &str = "timestamp/x-ptp";

/// What the element does with each loan.
pub(super) struct Flow {
    pub(super) session: Arc<Session>,
    pub(super) format: PixelFormat,
    /// Loans that the pipeline may hold. A frame beyond is copied, so that the session has frames to receive into.
    pub(super) loans: usize,
    pub(super) next: Option<u64>,
    pub(super) taken: u64,
    pub(super) lost: u64,
    pub(super) is_discontinuous: bool,
}

/// A buffer, and how many frames were lost before it.
pub(super) struct Made {
    pub(super) buffer: gst::Buffer,
    pub(super) lost: u64,
}

impl Flow {
    /// Begins with what comes from now on: the frames that wait are of before.
    pub(super) fn forget(&mut self) {
        while self.session.buffer_get(Timeout::NOW).is_ok() {}
        self.next = None;
        self.is_discontinuous = true;
    }

    pub(super) fn layout(&self) -> &Layout {
        self.session.layout()
    }

    /// The buffer of a frame. `running_time`: of the pipeline, now.
    pub(super) fn buffer(
        &mut self,
        loan: OwnedBuffer,
        running_time: Option<ClockTime>,
    ) -> Result<Made, gst::glib::BoolError> {
        let layout = *self.layout();
        let (number, is_complete) = (loan.number(), loan.status() == Status::Complete);
        let (received, media_time) = (loan.first_packet_ns(), loan.media_time_ns());
        let lost = self.next.map_or(0, |next| number.saturating_sub(next));
        self.next = Some(number + 1);
        self.taken += 1;
        self.lost += lost;
        // This loan is one of them.
        let memory = match self.session.buffers_held() > self.loans {
            true => gst::Memory::from_slice(loan.as_ref().to_vec()),
            false => gst::Memory::from_slice(loan),
        };
        let mut buffer = gst::Buffer::new();
        let made = buffer.get_mut().expect("it is new");
        made.append_memory(memory);
        made.set_pts(running_time.map(|now| {
            let age = monotonic_ns().saturating_sub(received);
            now.saturating_sub(ClockTime::from_nseconds(age))
        }));
        made.set_duration(frame_time(&layout));
        made.set_offset(number);
        made.set_offset_end(number + 1);
        if std::mem::take(&mut self.is_discontinuous) || lost > 0 {
            made.set_flags(gst::BufferFlags::DISCONT);
        }
        if !is_complete {
            made.set_flags(gst::BufferFlags::CORRUPTED);
        }
        if let Some(ns) = media_time {
            let caps = gst::Caps::builder(TAI).build();
            let time = ClockTime::from_nseconds(ns);
            gst::ReferenceTimestampMeta::add(made, &caps, time, frame_time(&layout));
        }
        add_meta(made, &layout, self.format)?;
        Ok(Made { buffer, lost })
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, ns) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds * 1_000_000_000 + ns
}
