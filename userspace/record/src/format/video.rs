//! Complete frames, as YUV4MPEG2 or raw.
//!
//! The drain thread assembles the packets in its own memory. Incomplete frames are left out and
//! listed.

use onair_essence::receive::{Depacketise as _, Sink, UnitReport};
use onair_essence::video::VideoFormat;
use onair_essence::video::assembly::{Assembler, AssemblerConfig};
use onair_net::datagram::Datagram;
use onair_net::ethernet::{ETHERTYPE_IPV4, EthernetHeader};

use crate::event::Event;
use crate::files::Files;
use crate::manifest::{FrameLeftOut, Frames, LISTED};
use crate::planar;
use crate::totals::Loss;

use super::{Encoder, make_place};

/// Header of each YUV4MPEG2 frame.
pub(crate) const FRAME_LINE: &[u8] = b"FRAME\n";

/// First line of a YUV4MPEG2 file.
pub(crate) fn stream_line(format: &VideoFormat) -> String {
    let rate = format.rate();
    let layout = planar::y4m_tag(format).unwrap_or_default();
    // Square samples, progressive, BT.709 levels.
    format!(
        "YUV4MPEG2 W{} H{} F{}:{} Ip A1:1 {layout} XCOLORRANGE=LIMITED\n",
        format.width(),
        format.height(),
        rate.numerator(),
        rate.denominator()
    )
}

/// The video encoder.
pub(crate) struct VideoEncoder {
    config: AssemblerConfig,
    has_lines: bool,
    /// Flow of each producer.
    flows: Vec<Flow>,
    frames: Frames,
    begun: u64,
}

/// One producer's flow.
struct Flow {
    assembler: Assembler<usize>,
    buffer: FrameBuffer,
    /// Packets in unfinished frames.
    under_way: u64,
}

/// Memory of the frames in assembly.
struct FrameBuffer {
    frame_bytes: usize,
    slots: Vec<Box<[u8]>>,
    free: Vec<usize>,
    finished: Vec<(usize, UnitReport)>,
}

impl Sink for FrameBuffer {
    type Slot = usize;

    fn open(&mut self, _: u32) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        self.slots
            .push(vec![0; self.frame_bytes].into_boxed_slice());
        Some(self.slots.len() - 1)
    }

    fn write(&mut self, slot: usize, offset: usize, bytes: &[u8]) {
        self.slots[slot][offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn finish(&mut self, slot: usize, report: &UnitReport) {
        self.finished.push((slot, *report));
    }
}

impl VideoEncoder {
    pub(crate) fn new(config: AssemblerConfig, has_lines: bool) -> Self {
        Self {
            config,
            has_lines,
            flows: Vec::new(),
            frames: Frames::default(),
            begun: 0,
        }
    }

    fn flow(&mut self, producer: usize) -> &mut Flow {
        while self.flows.len() <= producer {
            self.flows.push(Flow {
                assembler: Assembler::new(self.config),
                buffer: FrameBuffer {
                    frame_bytes: self.config.format.frame_bytes(),
                    slots: Vec::new(),
                    free: Vec::new(),
                    finished: Vec::new(),
                },
                under_way: 0,
            });
        }
        &mut self.flows[producer]
    }

    /// Writes the finished frames of `producer`.
    fn shelve(&mut self, producer: usize, files: &mut Files) {
        let finished = std::mem::take(&mut self.flows[producer].buffer.finished);
        for (slot, report) in finished {
            let packets = u64::from(report.packets_received);
            self.flows[producer].under_way -= packets;
            if report.complete {
                self.write(producer, slot, &report, files);
            } else {
                self.leave_out(&report);
                files.totals(producer).lose(Loss::IncompleteFrame, packets);
            }
            self.begun += 1;
            self.flows[producer].buffer.free.push(slot);
        }
    }

    fn write(&mut self, producer: usize, slot: usize, report: &UnitReport, files: &mut Files) {
        let format = self.config.format;
        let size = FRAME_LINE.len() + planar::frame_bytes(&format);
        make_place(self, files, size, report.first_packet_ns);
        let out = files.out();
        if self.has_lines {
            out.extend_from_slice(FRAME_LINE);
        }
        planar::write(&format, &self.flows[producer].buffer.slots[slot], out);
        let packets = u64::from(report.packets_received);
        let bytes = format.frame_bytes() as u64;
        files.mark_frame(producer, packets, bytes, report.first_packet_ns);
    }

    fn leave_out(&mut self, report: &UnitReport) {
        self.frames.incomplete += 1;
        if self.frames.left_out.len() < LISTED {
            self.frames.left_out.push(FrameLeftOut {
                index: self.begun,
                rtp_timestamp: report.rtp_timestamp,
                bytes_missing: report.bytes_missing as u64,
                packets: report.packets_received.into(),
            });
        }
    }
}

/// The RTP packet in an Ethernet frame; `None` if there is none or it is truncated.
fn rtp<'a>(event: &Event<'a>) -> Option<&'a [u8]> {
    let (ethernet, packet) = EthernetHeader::parse(event.bytes).ok()?;
    if ethernet.ethertype != ETHERTYPE_IPV4 {
        return None;
    }
    Some(Datagram::parse(packet).ok()?.payload)
}

impl Encoder for VideoEncoder {
    fn begin_file(&mut self, files: &mut Files) {
        if self.has_lines {
            let line = stream_line(&self.config.format);
            files.out().extend_from_slice(line.as_bytes());
            files.mark_own();
        }
    }

    fn event(&mut self, producer: usize, event: &Event<'_>, files: &mut Files) {
        let Some(packet) = rtp(event) else {
            files.totals(producer).lose(Loss::NoFrame, 1);
            return;
        };
        let flow = self.flow(producer);
        let before = flow.assembler.stats().accepted;
        flow.assembler.packet(packet, event.at_ns, &mut flow.buffer);
        let used = flow.assembler.stats().accepted - before;
        flow.under_way += used;
        if used == 0 {
            files.totals(producer).lose(Loss::NoFrame, 1);
        }
        if !flow.buffer.finished.is_empty() {
            self.shelve(producer, files);
        }
    }

    fn tick(&mut self, _: &mut Files) {}

    fn close(&mut self, files: &mut Files) {
        for producer in 0..self.flows.len() {
            let flow = &mut self.flows[producer];
            flow.assembler.close(&mut flow.buffer);
            self.shelve(producer, files);
        }
    }

    fn end_file(&mut self, _: &mut Files) {}

    fn under_way(&self, producer: usize) -> u64 {
        self.flows.get(producer).map_or(0, |flow| flow.under_way)
    }

    fn frames(&self) -> Option<&Frames> {
        Some(&self.frames)
    }
}
