//! Frames of a session as packets, each at its time.

use std::fmt;

use crate::essence::OfField;
use crate::send::{PacketPlan, Packetise, TestSignal};
use crate::video::pacing::Pacer;
use crate::video::pattern::{PatternError, PatternWriter};
use crate::video::st2110_20::{Packet, PacketiseError, Packetiser};
use crate::video::st2110_21::Declared;
use crate::video::{Field, FrameRate, Scan, SenderType, VideoFormat, VideoStream, tag};

/// Makes the packets of frames or fields. Its slots are the frames, or the fields of interlaced video.
#[derive(Debug, Clone)]
pub struct FramePacketiser {
    /// Of frames or first fields, and of second fields.
    packetisers: [Packetiser; 2],
    pacer: Pacer,
    rate: FrameRate,
    is_interlaced: bool,
}

impl FramePacketiser {
    /// For RTP packets of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// [`VideoNotSendable`].
    pub fn new(video: &VideoStream, max_bytes: usize) -> Result<Self, VideoNotSendable> {
        let of = |second| Packetiser::of(video.format, second, video.packing, max_bytes);
        let packetisers = [of(false)?, of(true)?];
        let pacer = Pacer::new(&packetisers[0], Declared::from(video), video.max_udp);
        let most = pacer.cmax_of_type();
        match video.cmax {
            Some(given) if u64::from(given) > most => Err(VideoNotSendable::Cmax {
                given,
                most,
                sender: video.sender_type.unwrap_or_default(),
            }),
            _ => Ok(Self {
                packetisers,
                pacer,
                rate: video.format.buffer_rate(),
                is_interlaced: video.format.scan() == Scan::Interlaced,
            }),
        }
    }

    fn of(&self, tag: u32) -> &Packetiser {
        &self.packetisers[usize::from(tag == tag::SECOND_FIELD)]
    }
}

impl Packetise for FramePacketiser {
    type Packet<'a> = Packet;

    /// A field goes in a slot of its own parity only.
    fn tag_of_slot(&self, slot: u64) -> u32 {
        self.tag_of_unit(slot)
    }

    /// Fields alternate, and begin with a first one.
    fn tag_of_unit(&self, number: u64) -> u32 {
        let field = if number % 2 == 1 {
            Field::Second
        } else {
            Field::First
        };
        Field::tag(self.is_interlaced.then_some(field))
    }

    fn packets(&self, tag: u32) -> u32 {
        self.of(tag).packets()
    }

    #[inline]
    fn packet(&self, tag: u32, index: u32) -> Option<Packet> {
        self.of(tag).packet(index)
    }

    fn timestamp(&self, slot: u64) -> u32 {
        let [.., a, b, c, d] = self.rate.ticks(slot).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn slot_start(&self, slot: u64) -> u64 {
        self.pacer.schedule().frame_start(slot)
    }

    fn slot_at(&self, tai_ns: u64) -> u64 {
        self.pacer.schedule().frame_at(tai_ns)
    }

    fn ready(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> u32 {
        self.pacer.ready(slot, next, now_ns, ahead_ns)
    }

    fn sent(&mut self, packets: u32, now_ns: u64) {
        self.pacer.sent(packets, now_ns);
    }

    fn next_ns(&self, slot: u64, next: u32, ahead_ns: u64) -> u64 {
        self.pacer.next_ns(slot, next, ahead_ns)
    }

    fn is_over(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> bool {
        self.pacer.is_over(slot, next, now_ns, ahead_ns)
    }

    /// Lines of the buffer.
    fn steps(&self, tag: u32) -> u32 {
        self.of(tag).lines()
    }

    fn needs(&self, tag: u32, index: u32) -> u32 {
        self.of(tag).lines_before(index)
    }
}

/// Why a video cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum VideoNotSendable {
    /// The packets cannot carry it.
    #[error(transparent)]
    Packets(#[from] PacketiseError),
    /// The sender type allows fewer packets at once.
    #[error(
        "CMAX {given} is above what a sender of type {sender} may have with this video, {most}: give 1 to {most} \
         or leave it out (ST 2110-21 §6.6.1)"
    )]
    Cmax {
        /// The wanted CMAX.
        given: u32,
        /// CMAX of the type.
        most: u64,
        /// The type.
        sender: SenderType,
    },
    /// The pattern does not fit.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl OfField for VideoNotSendable {
    fn field(&self) -> Option<&'static str> {
        matches!(self, Self::Cmax { .. }).then_some("video.cmax")
    }
}

/// The built-in pattern ([`pattern`](pattern)).
pub struct TestPattern {
    writer: PatternWriter,
    frames: u64,
    segmented: Option<Segmented>,
}

impl TestPattern {
    /// The pattern of a format.
    ///
    /// # Errors
    /// [`PatternError::TooSmall`].
    pub fn new(format: &VideoFormat) -> Result<Self, PatternError> {
        let mut writer = PatternWriter::new(format)?;
        let segmented =
            (format.scan() == Scan::Psf).then(|| Segmented::new(format.frame_bytes(), &mut writer));
        Ok(Self {
            writer,
            frames: 0,
            segmented,
        })
    }
}

impl fmt::Debug for TestPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPattern")
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// Frames of which the packets do not take the bytes in order. The next one is written while one is
/// sent, so that no packet waits for a whole frame.
struct Segmented {
    current: Box<[u8]>,
    /// Number of the frame in `current`, once there is one.
    holds: Option<u64>,
    next: Box<[u8]>,
    written: usize,
}

impl Segmented {
    fn new(bytes: usize, writer: &mut PatternWriter) -> Self {
        let empty = || vec![0; bytes].into_boxed_slice();
        let mut it = Self {
            current: empty(),
            holds: None,
            next: empty(),
            written: 0,
        };
        it.write(writer, bytes);
        it
    }

    /// Writes the next `bytes` bytes of the next frame.
    fn write(&mut self, writer: &mut PatternWriter, bytes: usize) {
        let end = self.next.len().min(self.written + bytes);
        self.written += writer.fill(&mut self.next[self.written..end]);
    }

    /// Frame `number` is sent now: that in `next`, or once more that in `current`.
    fn start(&mut self, number: u64, writer: &mut PatternWriter) {
        if self.holds == Some(number) {
            return;
        }
        self.write(writer, self.next.len());
        std::mem::swap(&mut self.current, &mut self.next);
        self.holds = Some(number);
        self.written = 0;
        writer.start(number + 1);
    }
}

impl TestSignal for TestPattern {
    fn number(&self) -> u64 {
        self.frames
    }

    fn start(&mut self) {
        match &mut self.segmented {
            None => self.writer.start(self.frames),
            Some(segmented) => segmented.start(self.frames, &mut self.writer),
        }
    }

    fn fill(&mut self, packet: &impl PacketPlan, mut data: &mut [u8]) {
        let Some(segmented) = &mut self.segmented else {
            self.writer.fill(data);
            return;
        };
        let bytes = data.len();
        packet.for_each_range(|range| {
            let (part, rest) = std::mem::take(&mut data).split_at_mut(range.len());
            part.copy_from_slice(&segmented.current[range]);
            data = rest;
        });
        segmented.write(&mut self.writer, bytes);
    }

    fn finish(&mut self) {
        self.frames += 1;
    }
}
