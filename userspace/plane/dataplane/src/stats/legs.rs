//! Counters of the legs of a session.

use onair_essence::legs::{JointCounts, Leg, LegCounts, Skew};

use super::{Counter, Ssrc};

counters! {
    /// Counters of one leg.
    LegCounters,
    /// Snapshot of one leg's counters.
    LegSnapshot {
        /// RTP packets of the leg; send: those that its port took.
        packets,
        /// Packets that came before their copy on the other leg.
        packets_used,
        /// Packets of which a copy had come.
        packets_duplicate,
        /// Packets that came when the stream no longer waited for them, or would not have waited.
        packets_late,
        /// How late the last one of these was, in nanoseconds.
        late_ns,
        /// Packets of another stream, by SSRC, sequence number or timestamp.
        packets_other_stream,
        /// Packets of a stream that was followed soon after.
        packets_before_restart,
        /// Packets larger than either port's MTU, which cannot wait (also counted elsewhere).
        packets_oversized,
        /// Packets that are not RTP, or of another payload type.
        packets_malformed,
        /// Packets after one of the leg with a higher sequence number.
        packets_reordered,
        /// Sequence numbers missing on this leg; send: packets that its port did not take.
        packets_lost,
        /// Changes of the synchronisation source from packet to packet.
        ssrc_changes,
        /// The last other synchronisation source; see [`Ssrc`].
        other_ssrc,
    }
}

counters! {
    /// Counters of both legs together.
    JointCounters,
    /// Snapshot of the counters of both legs together.
    JointSnapshot {
        /// Sequence numbers that came on neither leg.
        packets_lost,
        /// Packets that one leg lost and the other brought too late.
        packets_late,
        /// Packets that were copied, because the stream waited for an earlier one.
        packets_held,
        /// Times that the stream began anew.
        restarts,
        /// 1 if the second leg is later.
        second_is_later,
        /// How much later one leg brought the last packet, in nanoseconds.
        skew_ns,
        /// The time of that packet: CLOCK_MONOTONIC, ns; 0 before the first.
        skew_at_ns,
        /// As much had 99 of 100 packets of the last second at most, in nanoseconds.
        skew_p99_ns,
        /// The largest of the last second, in nanoseconds.
        skew_max_ns,
        /// The time of the last packet of that second; 0 before the first second has ended.
        skew_ended_ns,
    }
}

/// Counters of a session's legs. Its runtime writes them, the control thread reads them.
#[derive(Debug, Default)]
pub(crate) struct LegStats {
    legs: [LegCounters; 2],
    joint: JointCounters,
}

impl LegStats {
    pub(crate) fn snapshot(&self) -> ([LegSnapshot; 2], JointSnapshot) {
        let legs = self.legs.each_ref().map(LegCounters::snapshot);
        (legs, self.joint.snapshot())
    }

    pub(crate) fn show_leg(&self, leg: Leg, counts: &LegCounts, other_ssrc: Option<u32>) {
        let counters = &self.legs[leg as usize];
        counters.packets.set(counts.packets);
        counters.packets_used.set(counts.used);
        counters.packets_duplicate.set(counts.duplicate);
        counters.packets_late.set(counts.late);
        counters.late_ns.set(counts.late_ns);
        counters.packets_other_stream.set(counts.other_stream);
        counters.packets_before_restart.set(counts.before_restart);
        counters.packets_oversized.set(counts.oversized);
        counters.packets_malformed.set(counts.malformed);
        counters.packets_reordered.set(counts.reordered);
        counters.packets_lost.set(counts.lost);
        counters.ssrc_changes.set(counts.ssrc_changes);
        counters.other_ssrc.set(Ssrc::to_counter(other_ssrc));
    }

    pub(crate) fn show_sent(&self, sent: [u64; 2], not_sent: [u64; 2]) {
        for (counters, (sent, not_sent)) in self.legs.iter().zip(sent.into_iter().zip(not_sent)) {
            counters.packets.set(sent);
            counters.packets_lost.set(not_sent);
        }
    }

    pub(crate) fn show_joint(&self, counts: &JointCounts, skew: &Skew) {
        let joint = &self.joint;
        joint.packets_lost.set(counts.lost);
        joint.packets_late.set(counts.late);
        joint.packets_held.set(counts.held);
        joint.restarts.set(counts.restarts);
        let (now_ns, at_ns) = skew.now();
        joint.second_is_later.set(u64::from(now_ns > 0));
        joint.skew_ns.set(now_ns.unsigned_abs());
        joint.skew_at_ns.set(at_ns);
        let second = skew.last_second();
        joint.skew_p99_ns.set(second.p99_ns);
        joint.skew_max_ns.set(second.max_ns);
        joint.skew_ended_ns.set(second.ended_ns);
    }
}
