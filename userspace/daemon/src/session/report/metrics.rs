//! A session's counters, for Prometheus.

use onair_api::{SessionProblemKind, SessionState, SignalState};

use crate::diagnostics::exposition::Exposition;
use crate::services::Services;
use crate::session::Session;

/// Counters of the pollers: the name there, the metric, its help.
const COUNTERS: [(&str, &str, &str); 26] = [
    (
        "packets",
        "onair_session_packets_total",
        "RTP packets received for the session, or handed to the port.",
    ),
    (
        "bytes",
        "onair_session_bytes_total",
        "Bytes in these packets, RTP header included.",
    ),
    (
        "packets_accepted",
        "onair_session_packets_accepted_total",
        "Packets whose bytes went into a frame.",
    ),
    (
        "packets_reordered",
        "onair_session_packets_reordered_total",
        "Packets received out of order and placed correctly.",
    ),
    (
        "packets_lost",
        "onair_session_packets_lost_total",
        "Sequence numbers missing when their frame was closed.",
    ),
    (
        "packets_lost_arrived",
        "onair_session_packets_lost_arrived_total",
        "Of the lost packets, those that arrived after their frame was closed.",
    ),
    (
        "ssrc_changes",
        "onair_session_ssrc_changes_total",
        "Changes of the synchronisation source.",
    ),
    (
        "restarts",
        "onair_session_source_restarts_total",
        "Times that a source began anew.",
    ),
    (
        "frames_complete",
        "onair_session_frames_complete_total",
        "Frames received complete.",
    ),
    (
        "frames_incomplete",
        "onair_session_frames_incomplete_total",
        "Frames received with bytes missing.",
    ),
    (
        "frames_wrong_format",
        "onair_session_frames_wrong_format_total",
        "Of the incomplete frames, those whose source sends another format.",
    ),
    (
        "packets_astray",
        "onair_session_packets_astray_total",
        "Late packets where the stream cannot be yet by timestamp or sequence number.",
    ),
    (
        "packets_other_length",
        "onair_session_packets_other_length_total",
        "Packets of another length than the session's, whose samples were taken.",
    ),
    (
        "frames_without_marker",
        "onair_session_frames_without_marker_total",
        "Frames of which no packet had the RTP marker, though none was missing.",
    ),
    (
        "frames_past_marker",
        "onair_session_frames_past_marker_total",
        "Frames with packets behind the one with the RTP marker: set too early, or twice.",
    ),
    (
        "frames_no_buffer",
        "onair_session_frames_no_buffer_total",
        "Frames received while no frame memory was free.",
    ),
    (
        "frames_dropped_stop",
        "onair_session_frames_dropped_stop_total",
        "Frames dropped in transit because the session stopped.",
    ),
    (
        "frames_dropped_slow",
        "onair_session_frames_dropped_slow_total",
        "Frames not loaned, or taken back, because the attachment's quota was used up.",
    ),
    (
        "frames_sent",
        "onair_session_frames_sent_total",
        "Frames whose last packet was handed to the port.",
    ),
    (
        "frames_submitted",
        "onair_session_frames_submitted_total",
        "Frames submitted by clients for sending.",
    ),
    (
        "frames_dropped_detached",
        "onair_session_frames_dropped_detached_total",
        "Submitted frames dropped because their attachment left.",
    ),
    (
        "underruns",
        "onair_session_underruns_total",
        "Frame times at which an attached client had no frame ready.",
    ),
    (
        "slots_missed",
        "onair_session_slots_missed_total",
        "Frame times that passed while the poller or the port was behind.",
    ),
    (
        "frames_not_converted",
        "onair_session_frames_not_converted_total",
        "Frames that were not converted because the converter was behind.",
    ),
    (
        "frames_no_link",
        "onair_session_frames_no_link_total",
        "Frame times that passed while the port's link was down.",
    ),
    (
        "violations",
        "onair_session_violations_total",
        "Words in shared memory that no client following the protocol can have written.",
    ),
];

/// Counters of packets that went into no frame, with the reason.
const DROPPED: [(&str, &str); 5] = [
    ("packets_other_ssrc", "other_ssrc"),
    ("packets_wrong_source", "wrong_source"),
    ("packets_duplicate", "duplicate"),
    ("packets_late", "late"),
    ("packets_no_buffer", "no_buffer"),
];

impl Session {
    /// Adds the session's counters. The labels are name and id: a quarantined session may share its
    /// name with another.
    pub fn measure(&self, services: &Services, metrics: &mut Exposition) {
        let id = self.id.to_string();
        let session = ("session", self.spec.name.as_str());
        let labels = [session, ("id", id.as_str())];
        let counted = self.stats.snapshot();
        for (name, value) in counted.iter() {
            if let Some((_, metric, help)) = COUNTERS.iter().find(|(known, ..)| *known == name) {
                metrics.counter(metric, help, &labels, value);
            }
        }
        let dropped = counted.iter().filter_map(|(name, value)| {
            let (_, reason) = DROPPED.iter().find(|(known, _)| *known == name)?;
            Some((*reason, value))
        });
        let malformed = self.stats.malformed();
        for (reason, value) in dropped.chain(malformed) {
            metrics.counter(
                "onair_session_packets_dropped_total",
                "Packets that went into no frame, by reason.",
                &[labels[0], labels[1], ("reason", reason)],
                value,
            );
        }
        let direction = self.spec.direction.to_string();
        let state = self.state().to_string();
        metrics.count(
            "onair_session_info",
            "1 for each session, with its state and group.",
            &[
                labels[0],
                labels[1],
                (
                    "group",
                    self.member_of.as_ref().map_or("", |it| it.as_str()),
                ),
                ("direction", &direction),
                ("port", &self.spec.port),
                ("state", &state),
            ],
            1,
        );
        metrics.count(
            "onair_session_attachments",
            "Processes attached.",
            &labels,
            self.core.attachments().count() as u64,
        );
        let loaned = self.core.attachments().map(|it| self.loaned_to(it.number));
        metrics.count(
            "onair_session_frames_lent",
            "Frames currently on loan to clients, according to the ledger.",
            &labels,
            loaned.sum(),
        );
        if let Some(Ok(blocked)) = services.probe.probe().map(|it| it.blocked(self.index)) {
            metrics.count(
                "onair_session_blocked_callers",
                "Callers asleep in a wait, according to the kernel.",
                &labels,
                blocked,
            );
        }
        for problem in SessionProblemKind::ALL {
            let lasts = self.problems().iter().any(|it| it.problem == problem);
            metrics.count(
                "onair_session_problem",
                "1 while a problem of the session's traffic lasts, by kind.",
                &[labels[0], labels[1], ("problem", problem.as_str())],
                u64::from(lasts),
            );
        }
        let signal = self.signal().map(|it| it.state);
        for state in SignalState::ALL {
            metrics.count(
                "onair_session_signal",
                "1 for the signal's state; 0 everywhere unless the session runs.",
                &[labels[0], labels[1], ("state", state.as_str())],
                u64::from(signal == Some(state)),
            );
        }
        if let Some(group) = &self.traffic.group {
            let labels = [
                labels[0],
                labels[1],
                ("group", group.group.as_str()),
                ("by", group.joined_by.as_str()),
            ];
            metrics.count(
                "onair_session_group_joined",
                "1 while the session's multicast group is joined.",
                &labels,
                u64::from(group.joined),
            );
        }
        self.measure_timing(metrics, labels);
        self.measure_legs(metrics, labels);
        self.measure_drain(metrics, &labels);
    }

    fn measure_drain(&self, metrics: &mut Exposition, labels: &[(&'static str, &str)]) {
        let (told, is_blocked) = self.core.warnings();
        let stopped = matches!(self.state(), SessionState::Stopped | SessionState::Draining);
        metrics.count(
            "onair_session_drain_warnings",
            "Warnings since the last stop that the session still has users.",
            labels,
            if stopped { told } else { 0 },
        );
        let blocked = self.core.stopped_at().filter(|_| is_blocked);
        metrics.gauge(
            "onair_session_drain_blocked_seconds",
            "Time since the stop, while a warning stands; else 0.",
            labels,
            blocked.map_or(0.0, |at| at.age().as_secs_f64()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_dataplane::SessionSnapshot;

    #[test]
    fn counters_of_the_pollers_are_metrics_or_left_out_on_purpose() {
        // A sum of others, flags, times, and names of sources.
        let left_out = [
            "packets_malformed",
            "waiting_for_arp",
            "silent_neighbour",
            "last_frame_ns",
            "ssrc",
            "other_ssrc",
            "sender",
            "sender_high",
            "sender_low",
            "other_sender",
            "other_sender_high",
            "other_sender_low",
            "frame_clock",
            "packet_clock",
            "other_samples",
        ];
        for (name, _) in SessionSnapshot::default().iter() {
            let metrics = COUNTERS.iter().filter(|(known, ..)| *known == name).count();
            let dropped = DROPPED.iter().filter(|(known, _)| *known == name).count();
            let left_out = left_out.iter().filter(|known| **known == name).count();
            assert_eq!(metrics + dropped + left_out, 1, "{name}");
        }
        for (_, metric, help) in COUNTERS {
            assert!(metric.starts_with("onair_session_") && metric.ends_with("_total"));
            assert!(help.ends_with('.'), "{help}");
        }
    }
}
