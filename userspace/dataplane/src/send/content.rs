//! What a sender sends: the built-in pattern, or a client's buffers, in turn first and second fields
//! if interlaced.

use onair_essence::video::pattern::{PatternError, PatternWriter};
use onair_essence::video::st2110_20::{Packet, PacketiseError, Packetiser};
use onair_essence::video::{Scan, VideoFormat};
use onair_ipc::frames::FrameMemory;
use onair_net::{ipv4, udp};

use super::SendConfig;
use crate::refusal::RuntimeError;

/// A buffer that a client submitted, with its number in the order of collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Submitted {
    pub(super) attachment: u64,
    pub(super) frame: u32,
    pub(super) number: u64,
    /// Interlaced: it is the second field of its frame.
    pub(super) second_field: bool,
}

/// The buffer that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Pattern,
    Client(Submitted),
}

/// Tells which fields the buffers of a client are: they alternate, and begin with a first field.
#[derive(Debug, Default)]
pub(super) struct Fields {
    client: Option<u64>,
    second_is_next: bool,
}

impl Fields {
    /// Whether the next buffer of `client` is a second field.
    pub(super) fn next(&mut self, client: u64, scan: Scan) -> bool {
        if self.client != Some(client) {
            *self = Self {
                client: Some(client),
                second_is_next: false,
            };
        }
        let is_second = self.second_is_next;
        self.second_is_next = scan == Scan::Interlaced && !is_second;
        is_second
    }
}

/// The built-in pattern.
pub(super) struct Pattern {
    writer: PatternWriter,
    frames: u64,
    is_interlaced: bool,
    segmented: Option<Segmented>,
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

impl Pattern {
    pub(super) fn new(format: &VideoFormat) -> Result<Self, PatternError> {
        let mut writer = PatternWriter::new(format)?;
        let segmented =
            (format.scan() == Scan::Psf).then(|| Segmented::new(format.frame_bytes(), &mut writer));
        Ok(Self {
            writer,
            frames: 0,
            is_interlaced: format.scan() == Scan::Interlaced,
            segmented,
        })
    }

    /// Whether the next buffer is a second field.
    pub(super) const fn second_is_next(&self) -> bool {
        self.is_interlaced && self.frames % 2 == 1
    }

    /// Begins the next buffer, or begins it again.
    pub(super) fn start(&mut self) {
        match &mut self.segmented {
            None => self.writer.start(self.frames),
            Some(segmented) => segmented.start(self.frames, &mut self.writer),
        }
    }

    /// The bytes of `packet`, the next one of the buffer.
    pub(super) fn fill(&mut self, packet: &Packet, mut data: &mut [u8]) {
        let Some(segmented) = &mut self.segmented else {
            self.writer.fill(data);
            return;
        };
        let bytes = data.len();
        for range in packet.ranges() {
            let (part, rest) = data.split_at_mut(range.len());
            part.copy_from_slice(&segmented.current[range]);
            data = rest;
        }
        segmented.write(&mut self.writer, bytes);
    }

    /// The buffer is sent.
    pub(super) const fn finish(&mut self) {
        self.frames += 1;
    }
}

/// The bytes of `packet` from a client's buffer.
pub(super) fn read(frames: &FrameMemory, frame: u32, packet: &Packet, mut data: &mut [u8]) {
    for range in packet.ranges() {
        let (part, rest) = data.split_at_mut(range.len());
        frames.read(frame, range.start, part);
        data = rest;
    }
}

/// Packetisers of the frames or first fields, and of the second fields.
pub(super) fn packetisers(config: &SendConfig) -> Result<[Packetiser; 2], RuntimeError> {
    RuntimeError::check_max_udp(config.max_udp, &config.port, config.mtu)?;
    let needed = usize::from(config.max_udp) + ipv4::HEADER_BYTES;
    let room = needed.min(config.mtu.into());
    let room = room.saturating_sub(ipv4::HEADER_BYTES + udp::HEADER_BYTES);
    let of = |second| Packetiser::of(config.format, second, config.packing, room);
    let both = of(false).and_then(|first| Ok([first, of(true)?]));
    both.map_err(|error: PacketiseError| error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_client_then_in_turn_and_of_another_from_the_first_on() {
        let mut fields = Fields::default();
        let [first, second] = [1, 2];
        let mut next = |client| fields.next(client, Scan::Interlaced);
        assert_eq!([(); 3].map(|()| next(first)), [false, true, false]);
        assert_eq!([(); 3].map(|()| next(second)), [false, true, false]);
        let mut fields = Fields::default();
        assert_eq!([(); 3].map(|()| fields.next(first, Scan::Psf)), [false; 3]);
    }
}
