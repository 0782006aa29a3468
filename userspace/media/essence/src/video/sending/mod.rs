//! Frames of a session as packets, each at its time.

mod not_sendable;
mod signal;

use crate::send::Packetise;
use crate::video::pacing::Pacer;
use crate::video::st2110_20::{Packet, Packetiser};
use crate::video::st2110_21::Declared;
use crate::video::{Field, FrameRate, Scan, VideoStream, tag};

pub use not_sendable::VideoNotSendable;
pub use signal::TestPattern;

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
