//! Counters that a poller writes and the control thread reads.
//!
//! Each has one writer at a time, whoever owns the runtime or the port, so that counting is a load
//! and a store. Relaxed throughout: they order nothing, and a reader may see one before another.

use std::sync::atomic::{AtomicU64, Ordering};

use onair_media::assembly::{AssemblyStats, Malformed, MalformedCounts};

/// A number that one thread writes at a time.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Only by the one writer: not atomic as a whole.
    pub(super) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }
}

/// The counters of one thing, and what they read at one time.
macro_rules! counters {
    (
        $(#[$live_doc:meta])* $live:ident, $(#[$snapshot_doc:meta])* $snapshot:ident {
            $($(#[$doc:meta])+ $name:ident,)+
        }
    ) => {
        $(#[$live_doc])*
        #[derive(Debug, Default)]
        pub(super) struct $live {
            $($(#[$doc])+ pub(super) $name: Counter,)+
        }

        $(#[$snapshot_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $snapshot {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl $live {
            /// What they read now.
            pub(super) fn snapshot(&self) -> $snapshot {
                $snapshot { $($name: self.$name.get(),)+ }
            }
        }

        impl $snapshot {
            /// Each counter by name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

counters! {
    /// Counters of one session.
    SessionCounters,
    /// Counters of one session at one time.
    SessionSnapshot {
        /// Receive: RTP packets that came for the session. Send: packets given to the port.
        packets,
        /// Their bytes, RTP header included.
        octets,
        /// Receive: packets whose bytes went into a frame.
        packets_accepted,
        /// Receive: packets that were not of this flow and format, for any reason.
        packets_malformed,
        /// Receive: packets from another source than the session's filter allows.
        packets_wrong_source,
        /// Receive: packets that had come before.
        packets_duplicate,
        /// Receive: packets of a frame that was closed already.
        packets_late,
        /// Receive: packets of a frame for which there was no memory.
        packets_no_buffer,
        /// Receive: packets after one with a higher sequence number.
        packets_reordered,
        /// Receive: sequence numbers that never came.
        packets_lost,
        /// Receive: times that another synchronisation source took over.
        ssrc_changes,
        /// Receive: times that the source started anew with other numbers.
        restarts,
        /// Receive: frames that came whole.
        frames_complete,
        /// Receive: frames with bytes missing.
        frames_incomplete,
        /// Receive: frames for which there was no memory.
        frames_no_buffer,
        /// Frames under way or submitted that were dropped because the session stopped: receive
        /// those half assembled, send those that could not go out in time, or came after the stop.
        frames_dropped_stop,
        /// Receive: frames not lent to an attachment, or taken back from it, because its quota was
        /// used up; one for each attachment.
        frames_dropped_slow,
        /// Send: frames whose last packet was given to the port.
        frames_sent,
        /// Send: frames that clients submitted.
        frames_submitted,
        /// Send: submitted frames that were dropped because their attachment left.
        frames_dropped_detached,
        /// Send: frame times at which an attached client had no frame ready; nothing was sent.
        underruns,
        /// Send: frame times that passed while the poller or the port was behind.
        slots_missed,
        /// Send: 1 while the receiver's hardware address is not known, so that nothing is sent.
        waiting_for_arp,
        /// When the last frame was finished: CLOCK_MONOTONIC, ns; 0 before the first.
        last_frame_ns,
        /// Words in shared memory that no client following the protocol can have written.
        violations,
    }
}

counters! {
    /// Counters of one attachment.
    AttachmentCounters,
    /// Counters of one attachment at one time.
    AttachmentSnapshot {
        /// The attachment's number.
        attachment,
        /// Frames lent to it.
        frames_lent,
        /// Frames that are lent to it now.
        frames_out,
        /// Frames that it did not get, or lost again untaken, because its quota was used up.
        frames_dropped_slow,
        /// Frames that it submitted to be sent.
        frames_submitted,
    }
}

counters! {
    /// Counters of what a poller does at one port, beside the driver's own.
    PortCounters,
    /// Counters of one port at one time.
    PortSnapshot {
        /// Packets that were taken from the port.
        rx_packets,
        /// Their bytes.
        rx_octets,
        /// ARP requests that were answered.
        arp_answered,
        /// ARP requests that were sent.
        arp_sent,
        /// Echo requests that were answered.
        echo_answered,
        /// Datagrams that belong to no running session.
        rx_no_session,
        /// Packets of other protocols.
        rx_other,
        /// Packets with a broken or unusable header below RTP (fragments, options, lengths).
        rx_malformed,
        /// Packets that were given to the port.
        tx_packets,
        /// Their bytes.
        tx_octets,
        /// Times that the pool had no packet to send with.
        tx_no_mbuf,
        /// Times that the port took fewer packets than were offered.
        tx_full,
    }
}

counters! {
    /// Counters of one poller.
    PollerCounters,
    /// Counters of one poller at one time.
    PollerSnapshot {
        /// Turns of its loop.
        turns,
        /// Turns in which there was something to do.
        turns_busy,
        /// Times that it slept.
        sleeps,
        /// Runtimes that it owns.
        sessions,
    }
}

/// What became of a session's packets and frames. Shared by its runtime, wherever that is, and the
/// control thread.
#[derive(Debug)]
pub struct SessionStats {
    pub(super) counters: SessionCounters,
    malformed: [Counter; Malformed::ALL.len()],
    attachments: Box<[AttachmentCounters]>,
}

impl SessionStats {
    pub(super) fn new(attachments: usize) -> Self {
        Self {
            counters: SessionCounters::default(),
            malformed: Default::default(),
            attachments: (0..attachments)
                .map(|_| AttachmentCounters::default())
                .collect(),
        }
    }

    /// The session's counters now.
    #[must_use]
    pub fn snapshot(&self) -> SessionSnapshot {
        self.counters.snapshot()
    }

    /// Malformed packets by reason.
    pub fn malformed(&self) -> impl Iterator<Item = (Malformed, u64)> {
        Malformed::ALL
            .into_iter()
            .zip(self.malformed.iter().map(Counter::get))
    }

    /// The counters of `attachment`, while it is attached.
    #[must_use]
    pub fn attachment(&self, attachment: u64) -> Option<AttachmentSnapshot> {
        let counters = self
            .attachments
            .iter()
            .find(|it| it.attachment.get() == attachment)?;
        Some(counters.snapshot())
    }

    /// A free place for `attachment`; `None` beyond as many as the session allows.
    pub(super) fn enter(&self, attachment: u64) -> Option<usize> {
        let place = self
            .attachments
            .iter()
            .position(|it| it.attachment.get() == 0)?;
        let counters = &self.attachments[place];
        counters.frames_lent.set(0);
        counters.frames_out.set(0);
        counters.frames_dropped_slow.set(0);
        counters.frames_submitted.set(0);
        counters.attachment.set(attachment);
        Some(place)
    }

    pub(super) fn leave(&self, place: usize) {
        self.attachments[place].attachment.set(0);
    }

    pub(super) fn at(&self, place: usize) -> &AttachmentCounters {
        &self.attachments[place]
    }

    /// Shows what the assembler counted.
    pub(super) fn show(&self, stats: &AssemblyStats) {
        let counters = &self.counters;
        counters.packets.set(stats.packets);
        counters.octets.set(stats.octets);
        counters.packets_accepted.set(stats.accepted);
        counters.packets_duplicate.set(stats.duplicate);
        counters.packets_late.set(stats.late);
        counters.packets_no_buffer.set(stats.no_buffer);
        counters.packets_reordered.set(stats.reordered);
        counters.packets_lost.set(stats.lost);
        counters.ssrc_changes.set(stats.ssrc_changes);
        counters.restarts.set(stats.restarts);
        counters.frames_complete.set(stats.frames_complete);
        counters.frames_incomplete.set(stats.frames_incomplete);
        counters.frames_no_buffer.set(stats.frames_no_buffer);
        self.show_malformed(&stats.malformed);
    }

    fn show_malformed(&self, counts: &MalformedCounts) {
        let total = counts.total();
        if total == self.counters.packets_malformed.get() {
            return;
        }
        self.counters.packets_malformed.set(total);
        for (counter, (_, count)) in self.malformed.iter().zip(counts.iter()) {
            counter.set(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_entered_and_left_then_places_are_used_again_from_zero() {
        let stats = SessionStats::new(2);
        assert_eq!(stats.enter(7), Some(0));
        assert_eq!(stats.enter(8), Some(1));
        assert_eq!(stats.enter(9), None);
        stats.at(0).frames_lent.add(3);
        assert_eq!(stats.attachment(7).map(|it| it.frames_lent), Some(3));
        stats.leave(0);
        assert_eq!(stats.attachment(7), None);
        assert_eq!(stats.enter(9), Some(0));
        assert_eq!(stats.attachment(9).map(|it| it.frames_lent), Some(0));
    }

    #[test]
    fn snapshot_listed_then_each_counter_by_its_name() {
        let counters = PollerCounters::default();
        counters.sleeps.add(2);
        let listed: Vec<_> = counters.snapshot().iter().collect();
        assert_eq!(
            listed,
            [
                ("turns", 0),
                ("turns_busy", 0),
                ("sleeps", 2),
                ("sessions", 0)
            ]
        );
    }
}
