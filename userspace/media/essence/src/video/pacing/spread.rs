//! How a sender type spreads the packets of a unit: the group that goes together, and its lead.

use crate::video::{FrameRate, Scan, SenderType, VideoFormat};

use crate::video::st2110_21::schedule::{active, default_offset, half_line};
use crate::video::st2110_21::{Declared, Limits, Reads, Stream};

/// Most packets of a group: each group may cost a system call (AF_XDP).
const MAX_GROUP: u32 = 8;

/// The packets of one session, spread over a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    /// Packets due at the same instant.
    pub(super) group: u32,
    /// The part of the period in which packets are due: all of it, or the active lines of all.
    pub(super) active: (u64, u64),
    /// From a frame's time until its first packet is due, in nanoseconds.
    pub(super) first_ns: u64,
    /// From a packet's time until a receiver reads it, in nanoseconds.
    pub(super) lead_ns: u64,
    /// The most packets that the network model may hold; `None`: the sender does not look at it.
    pub(super) most: Option<u64>,
    /// CMAX of the sender type.
    pub(super) cmax: u64,
}

impl Spread {
    /// For units (frames, fields or segments) of `packets` packets at most, in datagrams of at most
    /// `max_udp` bytes. A declared CMAX above that of the type counts as that.
    pub(super) fn new(
        format: &VideoFormat,
        declared: &Declared,
        packets: u32,
        max_udp: u16,
    ) -> Self {
        let sender = declared.sender.unwrap_or_default();
        let rate = format.rate();
        let stream = Stream {
            height: format.height(),
            scan: format.scan(),
            rate: (rate.numerator(), rate.denominator()),
            packets: packets.max(1),
            reads: Reads::of(sender),
            offset_ns: declared.offset_ns,
            max_udp: None,
        };
        let limits = Limits::of_sender(&stream, max_udp);
        let (offset, of) = default_offset(&stream);
        let offset_ns = declared.offset_ns.unwrap_or(rate.nanos(offset) / of);
        let cmax = limits.cmax_of(sender);
        let declared_cmax = declared.cmax.map(|it| u64::from(it).min(cmax));
        let active = active(&stream);
        let units = u64::from(stream.units_a_frame());
        let spacing = |halves: u64| {
            rate.nanos(halves) * active.0 / (2 * units * active.1 * u64::from(stream.packets))
        };
        let (group, lead_ns) = match sender {
            SenderType::Wide => {
                let group = declared_cmax.map_or(MAX_GROUP, at_once);
                (group, spacing(limits.vrx_full_wide))
            }
            SenderType::Narrow | SenderType::NarrowLinear => {
                let full = limits.vrx_full_narrow;
                let half_line = half_line(&stream);
                let group = at_once(declared_cmax.unwrap_or(cmax).min(full));
                // What the buffer has left beside a group and one packet, because the receiver's clock
                // is not quite ours; and half a packet: so none comes in the instant of a read.
                let early = full.saturating_sub(u64::from(group) + 1 + half_line);
                (group, spacing(2 * early + 1))
            }
        };
        // Not before half of the offset: a small picture's packets are far apart.
        let lead_ns = lead_ns.min(offset_ns / 2);
        Self {
            group,
            active,
            first_ns: offset_ns - lead_ns,
            lead_ns,
            most: match sender {
                SenderType::Wide => declared_cmax,
                SenderType::Narrow | SenderType::NarrowLinear => {
                    Some(declared_cmax.unwrap_or(cmax))
                }
            },
            cmax,
        }
    }
}

/// The height decides only an offset that is not used.
const ANY_HEIGHT: u32 = 1080;

impl Spread {
    /// For units of `packets` packets that are spread over all of their time.
    pub(super) fn linear(rate: FrameRate, declared: &Declared, packets: u32) -> Self {
        let sender = declared.sender.unwrap_or_default();
        let limits = Limits::new(&Stream {
            height: ANY_HEIGHT,
            scan: Scan::Progressive,
            rate: (rate.numerator(), rate.denominator()),
            packets: packets.max(1),
            reads: Reads::of(sender),
            offset_ns: None,
            max_udp: None,
        });
        let cmax = limits.cmax_of(sender);
        let most = declared.cmax.map(|it| u64::from(it).min(cmax));
        Self {
            group: at_once(most.unwrap_or(cmax)),
            active: (1, 1),
            first_ns: 0,
            lead_ns: 0,
            most: most.or((sender != SenderType::Wide).then_some(cmax)),
            cmax,
        }
    }
}

/// The packets that go together, of `most` that a model may hold.
fn at_once(most: u64) -> u32 {
    u32::try_from(most / 2).map_or(MAX_GROUP, |half| half.clamp(1, MAX_GROUP))
}
