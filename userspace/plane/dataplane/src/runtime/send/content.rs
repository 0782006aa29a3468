//! Content of a sender: the built-in test signal, or clients' buffers.

use onair_essence::send::PacketPlan as _;
use onair_essence::{Packet, Packetiser};
use onair_ipc::frames::FrameMemory;
use onair_net::udp;

use super::SendConfig;
use crate::flow::target::ip_bytes;
use crate::runtime::attachment::Attachments;
use crate::runtime::refusal::RuntimeError;

/// A buffer that a client submitted, with its number in the order of collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Submitted {
    pub(super) attachment: u64,
    pub(super) frame: u32,
    /// It was submitted open, on a loan of this serial.
    pub(super) open: Option<u32>,
    pub(super) number: u64,
    /// The kind of slot that it fits, which only the essence reads.
    pub(super) tag: u32,
}

/// The buffer that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Pattern,
    Client(Submitted),
    /// No unit, in a slot that the essence sends anyway: its packets are without content.
    Nothing,
}

impl Content {
    /// The memory of a client's buffer, and which frame it is.
    pub(super) fn frames(self, attachments: &Attachments) -> Option<(&FrameMemory, u32)> {
        let Self::Client(submitted) = self else {
            return None;
        };
        let attachment = attachments.get(submitted.attachment)?;
        Some((attachment.frames.as_ref()?, submitted.frame))
    }

    /// A client's unit, with the serial of its loan, if it was submitted open.
    pub(super) const fn open(self) -> Option<(Submitted, u32)> {
        match self {
            Self::Client(submitted) => match submitted.open {
                Some(serial) => Some((submitted, serial)),
                None => None,
            },
            Self::Pattern | Self::Nothing => None,
        }
    }
}

/// Numbers the units that clients give: those of each client from 0 on.
#[derive(Debug, Default)]
pub(super) struct Units {
    client: Option<u64>,
    given: u64,
}

impl Units {
    /// Number of the next unit of `client`.
    pub(super) fn next(&mut self, client: u64) -> u64 {
        if self.client != Some(client) {
            (self.client, self.given) = (Some(client), 0);
        }
        self.given += 1;
        self.given - 1
    }
}

/// The bytes of `packet` from a client's buffer.
pub(super) fn read(frames: &FrameMemory, frame: u32, packet: &Packet<'_>, mut data: &mut [u8]) {
    packet.for_each_range(|range| {
        let (part, rest) = std::mem::take(&mut data).split_at_mut(range.len());
        frames.read(frame, range.start, part);
        data = rest;
    });
}

impl SendConfig {
    /// The packetiser of its units, for packets that its port takes.
    pub(super) fn packetiser(&self) -> Result<Packetiser, RuntimeError> {
        let max_udp = self.format.max_udp();
        let second = self.second.as_ref().map(|it| it.target.destination);
        let ip_bytes = ip_bytes(std::iter::once(self.destination).chain(second));
        RuntimeError::check_max_udp(max_udp, ip_bytes, &self.port, self.mtu)?;
        let needed = usize::from(max_udp) + usize::from(ip_bytes);
        let room = needed.min(self.mtu.into());
        let room = room.saturating_sub(usize::from(ip_bytes) + udp::HEADER_BYTES);
        Ok(self.format.packetiser(room)?)
    }

    /// Whether a sender can send the format, with its timing.
    ///
    /// # Errors
    /// [`RuntimeError`]: what [`Runtime::send`](crate::Runtime::send) would refuse, too.
    pub fn check_format(&self) -> Result<(), RuntimeError> {
        self.packetiser().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_a_client_then_in_turn_and_of_another_from_the_first() {
        let mut units = Units::default();
        assert_eq!([(); 3].map(|()| units.next(1)), [0, 1, 2]);
        assert_eq!([(); 3].map(|()| units.next(2)), [0, 1, 2]);
        assert_eq!(units.next(1), 0);
    }
}
