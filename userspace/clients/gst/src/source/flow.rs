//! Frames as buffers of GStreamer.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::ClockTime;
use onair::{
    AnySession, Assembly, Contents, Error, OwnedFrame, Pictured as _, PixelFormat, Timeout,
};
use rustix::time::{ClockId, clock_gettime};

use crate::data::Alignment;
use crate::formats::add_meta;
use crate::media::{converted, frame_time, has_fields, made_bytes};

/// Times of buffers from [`Buffer::media_time_ns`](onair::Buffer::media_time_ns): PTP's, in TAI.
const TAI: &str = "timestamp/x-ptp";

/// State for the element's work on each frame.
pub(super) struct Flow {
    pub(super) session: Arc<AnySession>,
    pub(super) assembly: Assembly<Arc<AnySession>>,
    /// Of pictures.
    pub(super) format: Option<PixelFormat>,
    /// Of ancillary data.
    alignment: Alignment,
    /// The last frame that was put together of fields, or converted: what does not come is the last one's. Empty: the
    /// session's bytes are given.
    pub(super) pixels: Vec<u8>,
    /// Loans that the pipeline may hold. A frame beyond is copied, so that the session has frames to receive into.
    pub(super) loans: usize,
    /// Number of the next frame, after the first one.
    pub(super) next: Option<u64>,
    pub(super) taken: u64,
    pub(super) lost: u64,
    is_discontinuous: bool,
}

/// The buffers of a frame, and how many frames were lost before it.
pub(super) struct Made {
    /// None: a frame without ANC packets, if a buffer is a part of one.
    pub(super) buffers: Vec<gst::Buffer>,
    pub(super) time: Option<ClockTime>,
    pub(super) lost: u64,
}

impl Flow {
    /// Of at most `loans` loans, and fewer than the quota: else a pipeline that keeps them would get no frame.
    pub(super) fn new(
        session: Arc<AnySession>,
        (format, alignment): (Option<PixelFormat>, Alignment),
        loans: usize,
    ) -> Result<Self, Error> {
        let bytes = made_bytes(session.layout(), format);
        Ok(Self {
            assembly: Assembly::of(&session)?,
            loans: loans.min(session.quota().saturating_sub(1)),
            session,
            format,
            alignment,
            pixels: vec![0; bytes],
            next: None,
            taken: 0,
            lost: 0,
            is_discontinuous: true,
        })
    }

    /// Begins with what comes from now on: the frames that wait are of before.
    pub(super) fn forget(&mut self) {
        while self.session.buffer_get(Timeout::NOW).is_ok() {}
        self.assembly.clear();
        self.next = None;
        self.is_discontinuous = true;
    }

    pub(super) fn contents(&self) -> &Contents {
        self.session.layout()
    }

    /// The buffers of a frame, which is in the pixels, if these are not empty. `running_time`: of the pipeline, now.
    pub(super) fn buffer(
        &mut self,
        frame: OwnedFrame<Contents>,
        running_time: Option<ClockTime>,
    ) -> Result<Made, gst::glib::BoolError> {
        let contents = self.contents().clone();
        let first = frame.buffers().next().expect("a frame has a buffer");
        let (received, media_time) = (first.first_packet_ns(), first.media_time_ns());
        // Fields are counted.
        let of_frame = 1 + u64::from(has_fields(&contents));
        let number = first.number() / of_frame;
        let is_complete = frame.is_complete();
        let lost = self.next.map_or(0, |next| number.saturating_sub(next));
        self.next = Some(number + 1);
        self.taken += 1;
        self.lost += lost;
        let memories: Vec<_> = match frame.into_buffer() {
            Ok(loan) if self.pixels.is_empty() => match converted(&contents, &loan, self.alignment)
            {
                Some(copies) => copies.into_iter().map(gst::Memory::from_slice).collect(),
                // This loan is one of them.
                None if self.session.buffers_held() > self.loans => {
                    vec![gst::Memory::from_slice(loan.to_vec())]
                }
                None => vec![gst::Memory::from_slice(loan)],
            },
            Ok(_) | Err(_) => vec![gst::Memory::from_slice(self.pixels.clone())],
        };
        let time = running_time.map(|now| {
            let age = monotonic_ns().saturating_sub(received);
            now.saturating_sub(ClockTime::from_nseconds(age))
        });
        let mut buffer = gst::Buffer::new();
        let made = buffer.get_mut().expect("it is new");
        made.set_pts(time);
        made.set_duration(frame_time(&contents));
        made.set_offset(number);
        made.set_offset_end(number + 1);
        let is_discontinuous = std::mem::take(&mut self.is_discontinuous) || lost > 0;
        if !is_complete {
            made.set_flags(gst::BufferFlags::CORRUPTED);
        }
        if let Some(ns) = media_time {
            let caps = gst::Caps::builder(TAI).build();
            let time = ClockTime::from_nseconds(ns);
            gst::ReferenceTimestampMeta::add(made, &caps, time, frame_time(&contents));
        }
        if let Some((layout, format)) = contents.pictures().zip(self.format) {
            add_meta(made, layout, format)?;
        }
        let mut buffers = Vec::with_capacity(memories.len());
        let last = memories.len().saturating_sub(1);
        for (at, memory) in memories.into_iter().enumerate() {
            let mut flags = gst::BufferFlags::empty();
            flags.set(gst::BufferFlags::DISCONT, is_discontinuous && at == 0);
            // A frame without ANC packets.
            flags.set(gst::BufferFlags::GAP, memory.size() == 0);
            let is_data = matches!(contents, Contents::Ancillary(_));
            flags.set(gst::BufferFlags::MARKER, is_data && at == last);
            let mut part = buffer.copy();
            let made = part.get_mut().expect("it is new");
            made.append_memory(memory);
            made.set_flags(flags);
            buffers.push(part);
        }
        Ok(Made {
            buffers,
            time,
            lost,
        })
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, ns) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
    seconds * 1_000_000_000 + ns
}
