//! The counters of a session's traffic. Each is declared once, in [`session_counters`]: what it counts, its name for
//! people, and which metric it is. Documents, metrics, totals, tables and what a poller counts follow from that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Gives the counters to the macro `$with`, one a row:
///
/// ```text
/// /// Its meaning: the text of the API and of the metric.
/// NAME "NAME FOR PEOPLE" METRIC LOSS;
/// ```
///
/// `METRIC` is `total("METRIC")` (one of its own), or `dropped("REASON")` (packets of
/// `onair_session_packets_dropped_total` with that reason). `LOSS` is `loss` if the
/// daemon's last event counts it as one, or `-`.
#[macro_export]
macro_rules! session_counters {
    ($with:ident) => {
        $with! {
            /// RTP packets of the session: received, or given to the port.
            packets "packets" total("onair_session_packets_total") -;
            /// Bytes in these packets, RTP header included.
            bytes "RTP" total("onair_session_bytes_total") -;
            /// Packets whose bytes went into a frame.
            packets_accepted "packets accepted" total("onair_session_packets_accepted_total") -;
            /// Frames received complete.
            frames_complete "frames complete" total("onair_session_frames_complete_total") -;
            /// Frames received with bytes missing; never shown as complete.
            frames_incomplete "frames incomplete" total("onair_session_frames_incomplete_total") loss;
            /// Of the incomplete frames, those whose source sends another format.
            frames_wrong_format "frames of another format" total("onair_session_frames_wrong_format_total") -;
            /// Frames of which no packet had the RTP marker, though none was missing.
            frames_without_marker "frames without a marker" total("onair_session_frames_without_marker_total") -;
            /// Frames with packets behind the one with the RTP marker: set too early, or twice.
            frames_past_marker "frames with an early marker" total("onair_session_frames_past_marker_total") -;
            /// Frames received while no frame memory was free.
            frames_no_buffer "frames without a buffer" total("onair_session_frames_no_buffer_total") loss;
            /// Frames of a converted session's source that were not converted, because the converter was behind.
            frames_not_converted "frames not converted" total("onair_session_frames_not_converted_total") loss;
            /// Frames dropped because the session stopped: half received or converted, or not sent in time.
            frames_dropped_stop "frames dropped, stop" total("onair_session_frames_dropped_stop_total") loss;
            /// Frames not loaned to a client, or taken back from it unread, because its quota was used up. One for each client.
            frames_dropped_slow "frames dropped, slow client" total("onair_session_frames_dropped_slow_total") loss;
            /// Frames whose last packet was given to the port.
            frames_sent "frames sent" total("onair_session_frames_sent_total") -;
            /// Frames that clients submitted.
            frames_submitted "frames submitted" total("onair_session_frames_submitted_total") -;
            /// Submitted frames dropped because their client left.
            frames_dropped_detached "frames dropped, client left" total("onair_session_frames_dropped_detached_total") loss;
            /// Frame times of a sender that passed while the port's link was down.
            frames_no_link "frames not sent, link down" total("onair_session_frames_no_link_total") loss;
            /// Frame times at which an attached client had no frame ready.
            underruns "underruns" total("onair_session_underruns_total") loss;
            /// Open frames that their client filled too late.
            underruns_open "underruns, open" total("onair_session_underruns_open_total") loss;
            /// Packets of open frames, not sent.
            packets_not_filled "packets not filled in time" total("onair_session_packets_not_filled_total") -;
            /// Frame times of a sender that passed while the poller or the port was behind.
            slots_missed "frame times missed" total("onair_session_slots_missed_total") -;
            /// Packets that did not arrive, by sequence number: counted when their frame is closed. The API takes back those
            /// that arrive after that; the metric does not.
            packets_lost "packets lost" total("onair_session_packets_lost_total") loss;
            /// Of the lost packets, those that arrived after their frame was closed.
            packets_lost_arrived "packets lost, then arrived" total("onair_session_packets_lost_arrived_total") -;
            /// Packets that had already arrived.
            packets_duplicate "packets duplicate" dropped("duplicate") loss;
            /// Packets of a frame that was already closed, or of none that can be.
            packets_late "packets late" dropped("late") loss;
            /// Of the late packets, those where the stream cannot be yet by timestamp or sequence number.
            packets_astray "packets astray" total("onair_session_packets_astray_total") -;
            /// Packets received after one with a higher sequence number, and put in their place.
            packets_reordered "packets reordered" total("onair_session_packets_reordered_total") -;
            /// Packets of another length than the session's, whose samples were taken.
            packets_other_length "packets of another length" total("onair_session_packets_other_length_total") -;
            /// Packets of a frame for which no buffer was free.
            packets_no_buffer "packets without a buffer" dropped("no_buffer") loss;
            /// Packets of another synchronisation source, dropped while the followed one sends.
            packets_other_ssrc "packets of another source" dropped("other_ssrc") loss;
            /// Packets from a source that the session's filter rejects.
            packets_wrong_source "packets that the source filter rejects" dropped("wrong_source") loss;
            /// Changes of the synchronisation source.
            ssrc_changes "changes of the source" total("onair_session_ssrc_changes_total") -;
            /// Times that the stream began anew, with another source, or other sequence numbers or timestamps.
            restarts "restarts of the source" total("onair_session_source_restarts_total") -;
            /// Words in shared memory that no client following the protocol can have written.
            violations "violations" total("onair_session_violations_total") -;
        }
    };
}

/// A counter of [`SessionCounters`].
#[derive(Debug)]
pub struct SessionCounter {
    /// Its name in documents and events.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its meaning.
    pub help: &'static str,
    /// Its metric.
    pub metric: CounterMetric,
    /// It counts something that is lost.
    pub is_loss: bool,
    /// Its value.
    pub value: fn(&SessionCounters) -> u64,
}

/// The metric that a counter is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterMetric {
    /// One of its own, of this name.
    Total(&'static str),
    /// Packets that went into no frame, with this reason.
    Dropped(&'static str),
}

macro_rules! document {
    ($($(#[doc = $help:literal])+ $name:ident $label:literal $kind:ident($of:literal) $loss:tt;)+) => {
        /// Traffic of a session since its creation. Each counter only grows, except `packets_lost`.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(default)]
        pub struct SessionCounters {
            $($(#[doc = $help])+ pub $name: u64,)+
            /// Packets that do not match the flow and format, by reason.
            pub packets_malformed: BTreeMap<String, u64>,
        }

        impl SessionCounters {
            /// Each counter.
            pub const ALL: &[SessionCounter] = &[$(SessionCounter {
                name: stringify!($name),
                label: $label,
                help: concat!($($help),+).trim_ascii_start(),
                metric: document!(@metric $kind $of),
                is_loss: document!(@loss $loss),
                value: |counters| counters.$name,
            },)+];
        }
    };
    (@metric total $of:literal) => { CounterMetric::Total($of) };
    (@metric dropped $reason:literal) => { CounterMetric::Dropped($reason) };
    (@loss loss) => { true };
    (@loss -) => { false };
}

session_counters!(document);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_a_sentence_and_the_metric_of_their_name() {
        for counter in SessionCounters::ALL {
            let help = counter.help;
            assert!(
                help.ends_with('.') && !help.starts_with(' ') && !help.contains("  "),
                "{help}"
            );
        }
        let of = |name| SessionCounters::ALL.iter().find(|it| it.name == name);
        let metric = |name| of(name).map(|it| it.metric);
        assert_eq!(
            metric("bytes"),
            Some(CounterMetric::Total("onair_session_bytes_total"))
        );
        assert_eq!(metric("packets_late"), Some(CounterMetric::Dropped("late")));
        let restarts = CounterMetric::Total("onair_session_source_restarts_total");
        assert_eq!(metric("restarts"), Some(restarts));
    }

    #[test]
    fn value_of_a_counter_is_its_field() {
        let counted = SessionCounters {
            packets_lost: 7,
            ..SessionCounters::default()
        };
        let found: Vec<_> = SessionCounters::ALL
            .iter()
            .filter(|it| (it.value)(&counted) > 0)
            .map(|it| (it.name, it.is_loss))
            .collect();
        assert_eq!(found, [("packets_lost", true)]);
    }
}
