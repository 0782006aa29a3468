//! Packets that a sender may send now.

use crate::video::{FrameRate, Scan};

use super::schedule::Schedule;
use super::spread::Spread;
use crate::video::st2110_20::Packetiser;
use crate::video::st2110_21::{Declared, NetworkModel};

/// A frame may end by this part of its period after the next one is due, before its sender gives up the
/// limit of its type.
const GRACE: u64 = 4;

/// The schedule of one send session, and what its type allows. A narrow sender, or a wide one with a CMAX of its
/// own, that was held up catches up as fast as the network model empties, a tenth faster than the stream, without a burst above CMAX. If a
/// frame could not end in its time that way, its rest goes at once: no frame's time is missed for it.
#[derive(Debug, Clone, Copy)]
pub struct Pacer {
    schedule: Schedule,
    bucket: Option<Bucket>,
    cmax: u64,
    /// From a packet's time until a receiver reads it.
    lead_ns: u64,
}

/// The network compatibility model, and what it may hold. The sender counts each packet as held when it
/// goes, so that the model of a measurement, which drains at other instants, finds at most CMAX.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    model: NetworkModel,
    most: u64,
}

impl Bucket {
    fn room(&self, at_ns: u64) -> u32 {
        let room = self.most.saturating_sub(self.model.level_at(at_ns));
        u32::try_from(room).unwrap_or(u32::MAX)
    }

    /// When it has room for `packets`, at most as many as it holds.
    fn has_room_ns(&self, packets: u32) -> u64 {
        self.model
            .falls_to(self.most.saturating_sub(packets.into()))
    }

    /// When the last of `packets` has room, if they go as soon as they can from `at_ns` on.
    fn ends_ns(&self, packets: u32, at_ns: u64) -> u64 {
        let waiting = u64::from(packets.saturating_sub(self.room(at_ns)));
        at_ns.saturating_add(self.model.drains_in_ns(waiting))
    }
}

impl Pacer {
    /// For the frames, or first fields, of `packetiser`, in datagrams of at most `max_udp` bytes. Without a type
    /// it is the default one; a declared CMAX above [`Self::cmax_of_type`] counts as that.
    #[must_use]
    pub fn new(packetiser: &Packetiser, declared: impl Into<Declared>, max_udp: u16) -> Self {
        let declared = declared.into();
        let format = packetiser.format();
        let unit = packetiser.segments()[0];
        let spread = Spread::new(format, &declared, unit, max_udp);
        let rate = format.rate();
        let units = if format.scan() == Scan::Progressive {
            1
        } else {
            2
        };
        Self {
            schedule: Schedule::of(packetiser, declared.sender.unwrap_or_default(), &spread),
            cmax: spread.cmax,
            lead_ns: spread.lead_ns,
            bucket: spread.most.map(|most| Bucket {
                model: NetworkModel::of_units(units * rate.numerator(), rate.denominator(), unit),
                most,
            }),
        }
    }

    /// For units at `rate` of `packets` packets, spread evenly over their time, from its beginning on: no receiver reads them by
    /// a schedule (ST 2110-22). CMAX as in [`Self::new`].
    #[must_use]
    pub fn linear(rate: FrameRate, packets: u32, declared: &Declared) -> Self {
        let spread = Spread::linear(rate, declared, packets);
        Self {
            schedule: Schedule::linear(0, rate, packets, spread.group),
            cmax: spread.cmax,
            lead_ns: spread.lead_ns,
            bucket: spread.most.map(|most| Bucket {
                model: NetworkModel::of_units(rate.numerator(), rate.denominator(), packets),
                most,
            }),
        }
    }

    /// The most packets that the sender type lets the network model hold: CMAX of ST 2110-21 §6.6.1.
    #[must_use]
    pub const fn cmax_of_type(&self) -> u64 {
        self.cmax
    }

    /// When packets are due.
    #[must_use]
    pub const fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The first packet of slot `n` that may not go at `now_ns`; those before `next` are gone. The
    /// schedule's clock is `ahead_ns` ahead of that of `now_ns`.
    #[must_use]
    pub fn ready(&self, n: u64, next: u32, now_ns: u64, ahead_ns: u64) -> u32 {
        let due = self
            .schedule
            .due_packets(n, now_ns.saturating_add(ahead_ns));
        let Some(bucket) = &self.bucket else {
            return due;
        };
        let waiting = due.saturating_sub(next);
        let room = bucket.room(now_ns);
        if room >= waiting || self.is_behind(bucket, n, next, now_ns, ahead_ns) {
            due
        } else if room >= self.schedule.group() {
            next + room
        } else {
            // Fewer than a group are not worth a system call.
            next
        }
    }

    /// `packets` went at `now_ns`.
    pub fn sent(&mut self, packets: u32, now_ns: u64) {
        let Some(bucket) = &mut self.bucket else {
            return;
        };
        if packets > 0 {
            bucket.model.packet(now_ns);
            bucket.model.repeat(packets - 1);
        }
    }

    /// When [`Self::ready`] next has a packet after those before `next`.
    #[must_use]
    pub fn next_ns(&self, n: u64, next: u32, ahead_ns: u64) -> u64 {
        let due_ns = self.schedule.due(n, next).saturating_sub(ahead_ns);
        let Some(bucket) = &self.bucket else {
            return due_ns;
        };
        let rest = self.schedule.packets().saturating_sub(next);
        let room_ns = bucket.has_room_ns(rest.min(self.schedule.group()));
        if room_ns > due_ns && !self.is_behind(bucket, n, next, due_ns, ahead_ns) {
            room_ns
        } else {
            due_ns
        }
    }

    /// Whether the packets of slot `n` from `next` on, sent from `now_ns` on, would end after the first packet of the next
    /// slot is read by a receiver: then one of them would be late, or more than the type allows would go at once.
    #[must_use]
    pub fn is_over(&self, n: u64, next: u32, now_ns: u64, ahead_ns: u64) -> bool {
        let rest = self.schedule.packets().saturating_sub(next);
        let ends_ns = match &self.bucket {
            Some(bucket) => bucket.ends_ns(rest, now_ns),
            None => now_ns,
        };
        let must_begin_ns = self.schedule.frame_start(n + 1) + self.lead_ns;
        ends_ns.saturating_add(ahead_ns) > must_begin_ns
    }

    /// Whether the rest of slot `n` would end too late, if it kept to the limit.
    fn is_behind(&self, bucket: &Bucket, n: u64, next: u32, now_ns: u64, ahead_ns: u64) -> bool {
        let rest = self.schedule.packets().saturating_sub(next);
        let ends_ns = bucket.ends_ns(rest, now_ns).saturating_add(ahead_ns);
        let (start, end) = (
            self.schedule.frame_start(n),
            self.schedule.frame_start(n + 1),
        );
        ends_ns > end.saturating_add((end - start) / GRACE)
    }
}
