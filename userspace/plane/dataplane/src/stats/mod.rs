//! Counters that a poller writes and the control thread reads.
//!
//! Each counter has one writer at a time, the owner of the runtime or the port, so an increment is
//! a load and a store. All accesses are relaxed: they order nothing, and a reader may see one
//! before another.

mod packed;
pub(crate) mod survey;
pub(crate) mod timing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use onair_essence::Monitor;
use onair_essence::legs::Leg;
use onair_essence::receive::{MalformedCounts, ReceiveStats};
use onair_essence::survey::Survey;

use self::legs::LegStats;
pub use self::legs::{JointSnapshot, LegSnapshot};
pub(crate) use self::packed::Sender;
pub use self::packed::{FrameClock, Ssrc};
use crate::stats::survey::SurveyShare;
use crate::stats::timing::TimingShare;
pub(crate) use packed::Counter;

/// The shortest pause between two packets of a stream that counts as one, ns.
pub(crate) const PAUSE_NS: u64 = 250_000_000;

/// Defines a set of counters and its snapshot.
macro_rules! counters {
    (
        $(#[$live_doc:meta])* $live:ident, $(#[$snapshot_doc:meta])* $snapshot:ident {
            $($(#[$doc:meta])+ $name:ident,)+
        }
    ) => {
        $(#[$live_doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $live {
            $($(#[$doc])+ pub(crate) $name: Counter,)+
        }

        $(#[$snapshot_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $snapshot {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl $live {
            /// The current values.
            pub(crate) fn snapshot(&self) -> $snapshot {
                $snapshot { $($name: self.$name.get(),)+ }
            }
        }

        impl $snapshot {
            /// The sum, counter by counter.
            #[must_use]
            pub fn plus(self, other: Self) -> Self {
                Self { $($name: self.$name.wrapping_add(other.$name),)+ }
            }

            /// Counter names and values.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)+].into_iter()
            }
        }
    };
}

/// Counters of a session's traffic: those of the API, and those that only this daemon needs.
macro_rules! session {
    ($($(#[doc = $help:literal])+ $name:ident $label:literal $kind:ident($of:literal) $loss:tt;)+) => {
        counters! {
            /// Counters of one session.
            SessionCounters,
            /// Snapshot of one session's counters.
            SessionSnapshot {
                $($(#[doc = $help])+ $name,)+
                /// Receive: packets that do not match the flow and format, for any reason.
                packets_malformed,
                /// Receive: samples of the last packet of another length; 0 if none came.
                other_samples,
                /// Send: 1 while the neighbour has answered no ARP request, or answers none any more.
                waiting_for_arp,
                /// Send: 1 while packets go to the last address of a neighbour that answers none any more.
                silent_neighbour,
                /// Time of the last finished frame: CLOCK_MONOTONIC, ns; 0 before the first.
                last_frame_ns,
                /// Receive: the followed synchronisation source; send: its own. See [`Ssrc`].
                ssrc,
                /// Send: sequence number of the next packet, of which RTP has the low half.
                next_sequence,
                /// Receive: the last other one; see [`Ssrc`].
                other_ssrc,
                /// Receive: where the last accepted packet came from; see [`Self::sender_address`].
                sender,
                /// The first half of its address, if that is of IPv6.
                sender_high,
                /// The second half of an IPv6 address.
                sender_low,
                /// Receive: where the last packet came from that the session's filter rejects; see
                /// [`Self::other_sender_address`].
                other_sender,
                /// The first half of its address, if that is of IPv6.
                other_sender_high,
                /// The second half of an IPv6 address.
                other_sender_low,
                /// Receive: how often the packets came from another sender than those before.
                sender_changes,
                /// Receive: the sender before; see [`Self::sender_before`].
                before_sender,
                /// The first half of its address, if that is of IPv6.
                before_sender_high,
                /// The second half of an IPv6 address.
                before_sender_low,
                /// Receive: pauses between packets, of [`PAUSE_NS`] and four units at least.
                pauses,
                /// Length of the last one, ns.
                pause_ns,
                /// RTP timestamp of the last finished frame, and when its first packet came or could be sent;
                /// see [`FrameClock`].
                frame_clock,
                /// Receive: RTP timestamp of the last packet of the followed source, and when it came; see
                /// [`FrameClock`].
                packet_clock,
            }
        }

        impl From<&SessionSnapshot> for onair_api::SessionCounters {
            fn from(now: &SessionSnapshot) -> Self {
                Self { $($name: now.$name,)+ ..Self::default() }
            }
        }
    };
}
onair_api::session_counters!(session);

impl SessionSnapshot {
    /// Send: synchronisation source and sequence number of the next packet.
    #[must_use]
    pub fn next_packet(&self) -> Option<(u32, u32)> {
        Some((
            Ssrc::of(self.ssrc)?,
            u32::try_from(self.next_sequence).ok()?,
        ))
    }

    /// Receive: where the last accepted packet came from. While that changes, it may be wrong.
    #[must_use]
    pub fn sender_address(&self) -> Option<SocketAddr> {
        Sender::of([self.sender, self.sender_high, self.sender_low])
    }

    /// Receive: where accepted packets came from before they came from [`Self::sender_address`].
    #[must_use]
    pub fn sender_before(&self) -> Option<SocketAddr> {
        let halves = [self.before_sender_high, self.before_sender_low];
        Sender::of([self.before_sender, halves[0], halves[1]])
    }

    /// Receive: where the last packet came from that the session's filter rejects.
    #[must_use]
    pub fn other_sender_address(&self) -> Option<SocketAddr> {
        let halves = [self.other_sender_high, self.other_sender_low];
        Sender::of([self.other_sender, halves[0], halves[1]])
    }
}

counters! {
    /// Counters of one attachment.
    AttachmentCounters,
    /// Snapshot of one attachment's counters.
    AttachmentSnapshot {
        /// The attachment's number.
        attachment,
        /// Frames loaned to it since it was attached.
        frames_lent,
        /// Frames loaned to it now.
        frames_out,
        /// Frames not loaned, or revoked untaken, because its quota was used up.
        frames_dropped_slow,
        /// The same of an attachment that samples.
        frames_sampled_out,
        /// Frames that it submitted.
        frames_submitted,
        /// RTP ticks from the last unit that its client had of an earlier attachment to its first one; 0: there was none.
        resumed_ticks,
        /// When the first packet of that first one arrived, on the monotonic clock in nanoseconds.
        resumed_ns,
    }
}

counters! {
    /// Counters of one poller at one port, besides the driver's own.
    PortCounters,
    /// Snapshot of one port's counters.
    PortSnapshot {
        /// Packets received.
        rx_packets,
        /// Their bytes.
        rx_bytes,
        /// ARP requests answered.
        arp_answered,
        /// ARP requests sent.
        arp_sent,
        /// Echo requests answered.
        echo_answered,
        /// Queries of IGMP received.
        igmp_queries,
        /// Queries dropped, because too many came.
        igmp_dropped,
        /// Reports of IGMP sent.
        igmp_sent,
        /// Datagrams without a running session.
        rx_no_session,
        /// Datagrams handed to another poller of the port, which runs their session.
        rx_handed_over,
        /// Datagrams that could not be handed over: too many wait for that poller.
        rx_hand_over_full,
        /// Packets of other protocols.
        rx_other,
        /// Packets without the tag of the port's VLAN.
        rx_untagged,
        /// Packets with the tag of another VLAN, or with a tag at a port without a VLAN.
        rx_other_vlan,
        /// Packets with a broken or unusable header below RTP (fragments, options, lengths).
        rx_malformed,
        /// Packets that the port cut: they are longer than its MTU.
        rx_cut,
        /// Packets sent.
        tx_packets,
        /// Their bytes.
        tx_bytes,
        /// Packets dropped because the link was down: they waited for it, or were given to it in the last millisecond
        /// before that was seen.
        tx_no_link,
        /// Times that the kernel's ring had such packets, so that the port must be opened anew.
        tx_stale,
        /// Times that the pool had no free packet buffer.
        tx_no_mbuf,
        /// Times that the port took fewer packets than offered.
        tx_full,
    }
}

counters! {
    /// Counters of one poller.
    PollerCounters,
    /// Snapshot of one poller's counters.
    PollerSnapshot {
        /// Turns of its loop.
        turns,
        /// Turns with work.
        turns_busy,
        /// Times that the poller slept.
        sleeps,
        /// Runtimes that it owns.
        sessions,
    }
}

pub(crate) mod legs;

/// Counters of a session's packets and frames. Shared by its runtime and the control thread.
#[derive(Debug)]
pub struct SessionStats {
    pub(crate) counters: SessionCounters,
    /// Why packets are malformed, and how many are.
    malformed: Box<[(&'static str, Counter)]>,
    attachments: Box<[AttachmentCounters]>,
    /// The control thread sees no carrier on the port.
    is_link_down: AtomicBool,
    timing: Option<Arc<TimingShare>>,
    /// Of a session with two legs.
    pub(crate) legs: Option<Box<LegStats>>,
    pub(crate) survey: Arc<SurveyShare>,
}

impl SessionStats {
    pub(crate) fn new(attachments: usize) -> Self {
        Self {
            counters: SessionCounters::default(),
            malformed: Box::default(),
            attachments: (0..attachments)
                .map(|_| AttachmentCounters::default())
                .collect(),
            is_link_down: AtomicBool::new(false),
            timing: None,
            legs: None,
            survey: Arc::default(),
        }
    }

    pub(crate) fn with_reasons(mut self, reasons: &[&'static str]) -> Self {
        let reasons = reasons.iter().map(|it| (*it, Counter::default()));
        self.malformed = reasons.collect();
        self
    }

    pub(crate) fn with_legs(mut self, has_two: bool) -> Self {
        self.legs = has_two.then(Box::default);
        self
    }

    /// The counters of both legs, and those of both together; `None` unless the session has two.
    #[must_use]
    pub fn legs(&self) -> Option<([LegSnapshot; 2], JointSnapshot)> {
        Some(self.legs.as_ref()?.snapshot())
    }

    pub(crate) fn with_timing(mut self, timing: Option<Arc<TimingShare>>) -> Self {
        self.timing = timing;
        self
    }

    /// Takes the newest measurement of the packets' timing in exchange for the last one. A receive session
    /// has one each second in which packets arrive.
    pub fn take_timing(&self, held: &mut Option<Box<Monitor>>) {
        if let Some(timing) = &self.timing {
            timing.take(held);
        }
    }

    /// Asks for a survey of what arrives; [`Self::take_survey`] has it when packets have come for 0.2 s and show all that
    /// they can, or for `most`.
    pub fn request_survey(&self, most: Duration) {
        self.survey.request(most);
    }

    /// The survey that was asked for, once, and the leg that it is of.
    #[must_use]
    pub fn take_survey(&self) -> Option<(Leg, Box<Survey>)> {
        self.survey.take()
    }

    /// Whether the port's link was down at the control thread's last look.
    pub(crate) fn is_link_down(&self) -> bool {
        self.is_link_down.load(Ordering::Relaxed)
    }

    /// Notes the state of the port's link. A sender begins no frame while it is down.
    pub fn note_link(&self, is_down: bool) {
        self.is_link_down.store(is_down, Ordering::Relaxed);
    }

    /// The session's current counters.
    #[must_use]
    pub fn snapshot(&self) -> SessionSnapshot {
        self.counters.snapshot()
    }

    /// Malformed packets by reason.
    pub fn malformed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.malformed
            .iter()
            .map(|(reason, count)| (*reason, count.get()))
    }

    /// Counters of `attachment`; `None` if it is not attached.
    #[must_use]
    pub fn attachment(&self, attachment: u64) -> Option<AttachmentSnapshot> {
        let counters = self
            .attachments
            .iter()
            .find(|it| it.attachment.get() == attachment)?;
        Some(counters.snapshot())
    }

    /// Reserves an entry for `attachment`; `None` at the session's limit.
    pub(crate) fn enter(&self, attachment: u64) -> Option<usize> {
        let place = self
            .attachments
            .iter()
            .position(|it| it.attachment.get() == 0)?;
        let counters = &self.attachments[place];
        counters.frames_lent.set(0);
        counters.frames_out.set(0);
        counters.frames_dropped_slow.set(0);
        counters.frames_sampled_out.set(0);
        counters.frames_submitted.set(0);
        counters.resumed_ticks.set(0);
        counters.attachment.set(attachment);
        Some(place)
    }

    pub(crate) fn leave(&self, place: usize) {
        self.attachments[place].attachment.set(0);
    }

    pub(crate) fn at(&self, place: usize) -> &AttachmentCounters {
        &self.attachments[place]
    }

    /// Publishes the depacketiser's counters.
    pub(crate) fn show(&self, stats: &ReceiveStats, sources: [Option<u32>; 2]) {
        let counters = &self.counters;
        let [ssrc, other_ssrc] = sources.map(Ssrc::to_counter);
        counters.ssrc.set(ssrc);
        counters.other_ssrc.set(other_ssrc);
        counters.packets_other_ssrc.set(stats.other_ssrc_packets);
        counters.packets_lost_arrived.set(stats.lost_arrived);
        counters.frames_wrong_format.set(stats.units_wrong_format);
        counters
            .frames_without_marker
            .set(stats.units_without_marker);
        counters.frames_past_marker.set(stats.units_past_marker);
        counters.packets.set(stats.packets);
        counters.bytes.set(stats.bytes);
        counters.packets_accepted.set(stats.accepted);
        counters.packets_duplicate.set(stats.duplicate);
        // One that was kept counts elsewhere when another agrees with it: what is published never falls.
        let late = &counters.packets_late;
        late.set(stats.late.max(late.get()));
        let astray = &counters.packets_astray;
        astray.set(stats.astray.max(astray.get()));
        counters.packets_other_length.set(stats.other_length);
        counters.other_samples.set(stats.other_samples.into());
        counters.packets_no_buffer.set(stats.no_buffer);
        counters.packets_reordered.set(stats.reordered);
        counters.packets_lost.set(stats.lost);
        counters.ssrc_changes.set(stats.ssrc_changes);
        counters.restarts.set(stats.restarts);
        counters.frames_complete.set(stats.units_complete);
        counters.frames_incomplete.set(stats.units_incomplete);
        counters.frames_no_buffer.set(stats.units_no_buffer);
        self.show_malformed(&stats.malformed);
    }

    fn show_malformed(&self, counts: &MalformedCounts) {
        let total = counts.total();
        if total <= self.counters.packets_malformed.get() {
            return;
        }
        self.counters.packets_malformed.set(total);
        for ((_, counter), count) in self.malformed.iter().zip(counts.iter()) {
            counter.set(count.max(counter.get()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_entered_and_left_then_places_restart_from_zero() {
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
