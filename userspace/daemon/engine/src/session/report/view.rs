//! A session, as it is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use onair_api::{
    AttachmentState, AttachmentView, Blocker, Direction, LegState, Legs, MissedUnits, PeerState,
    RecentTraffic, SessionCounters, SessionId, SessionName, SessionOutcome, SessionState,
    SessionSummary, SessionView,
};
use onair_dataplane::{FrameClock, MediaClock, SessionStats, Ssrc};
use onair_essence::TimingDocument;
use onair_essence::measure::{Gauge, Measure as _};
use onair_session::Runtime as _;
use onair_settings::diagnostics::exposition::Exposition;

use crate::session::retarget::Next;
use crate::session::traffic::look::{dropped_by, oldest_held_ms};
use crate::session::{Session, attachment, convert};

/// Of a sender that is this far from the host's clock, the time is not known.
const SAME_CLOCK_NS: i64 = 10_000_000_000;

impl Session {
    /// The session, to be shown.
    pub const fn shown(&self) -> Shown<'_> {
        Shown(self)
    }
}

/// A session as it is shown: its view, its description, its metrics. It changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub(super) &'a Session);

impl Shown<'_> {
    /// The session as the API shows it.
    pub fn view(&self) -> SessionView {
        let it = self.0;
        let document = onair_api::SpecDocument::from(it.spec.clone());
        SessionView {
            id: it.id,
            name: it.spec.name.clone(),
            member_of: it.member_of.clone(),
            convert: it.spec.convert.clone(),
            direction: it.spec.direction,
            port: it.spec.port.clone(),
            poller: it.home.name().to_owned(),
            format: document.format,
            flow: document.flow,
            next: it.retarget.next().map(Next::view),
            source: it.spec.source,
            quota: it.spec.quota,
            max_attachments: it.spec.max_attachments,
            priority: u32::from(it.spec.priority),
            frame_timeout_ms: it.spec.frame_timeout_ms,
            duration_ms: it.spec.duration_ms,
            persistent: it.spec.persistent,
            notes: it.spec.notes.clone(),
            connected: it.spec.connected.clone(),
            state: it.core.state(),
            owner: Some(it.owner.clone()),
            created_at: it.created_at,
            stopped_at: it.core.life().stopped_at(),
            attachments: self.attachment_views(),
            converted_sessions: it.places.conversions,
            signal: it.traffic.state.clone(),
            problems: it.traffic.problems.clone(),
            link_up: it.traffic.legs[0].link_up,
            ssrc: Ssrc::of(it.stats.snapshot().ssrc),
            peer: self.peer(),
            group: it.traffic.legs[0].group.clone(),
            legs: self.legs(),
            timing: self.timing(),
            recent: self.recent(),
            counters: convert::counters(&it.stats),
        }
    }

    /// Frames that the ledger has loaned to an attachment.
    pub(super) fn loaned_to(&self, attachment: u64) -> u64 {
        match self.0.core.runtime() {
            Some(runtime) => runtime
                .lenders()
                .find(|lender| lender.attachment() == attachment)
                .map_or(0, |lender| lender.loaned() as u64),
            None => self
                .0
                .stats
                .attachment(attachment)
                .map_or(0, |published| published.frames_out),
        }
    }

    fn attachment_views(&self) -> Vec<AttachmentView> {
        let evicted = self.0.core.clients().evicted().map(|it| AttachmentView {
            state: AttachmentState::Revoked,
            ..self.attachment_view(&it.attachment, it.eviction.frames_set_aside)
        });
        let all = self.0.core.clients().attached();
        let all = all.map(|it| self.attachment_view(it, self.loaned_to(it.number)));
        all.chain(evicted).collect()
    }

    fn attachment_view(&self, it: &onair_session::Attachment, loaned: u64) -> AttachmentView {
        let published = self.0.stats.attachment(it.number);
        AttachmentView {
            oldest_held_ms: oldest_held_ms(it, self.0.clock.monotonic_ns()),
            frames_dropped_slow: dropped_by(&self.0.stats, it.number),
            frames_sampled_out: published.map_or(0, |it| it.frames_sampled_out),
            missed: self.missed_by(it.number),
            ..attachment::view(it, self.0.connected.library(it.number), loaned)
        }
    }

    /// Units that the client of an attachment missed before it attached.
    fn missed_by(&self, attachment: u64) -> Option<MissedUnits> {
        let published = self.0.stats.attachment(attachment)?;
        let format = &self.0.spec.format;
        let ns = published.resumed_ticks * 1_000_000_000 / u64::from(format.clock_hz());
        let unit_ns = u64::try_from(format.units_time(1).as_nanos()).ok()?;
        let since_ns = published.resumed_ns.saturating_sub(ns);
        (ns > 0).then(|| MissedUnits {
            // Timestamps are rounded.
            units: ((ns + unit_ns / 2) / unit_ns).saturating_sub(1),
            since: self.0.clock.wall_at(since_ns),
            until: self.0.clock.wall_at(published.resumed_ns),
        })
    }

    /// State of the peer of a running send session.
    pub(in crate::session) fn peer(&self) -> Option<PeerState> {
        let is_sending = self.0.spec.direction == Direction::Send
            && self.0.core.state() == SessionState::Running;
        let waits = self.0.stats.snapshot().waiting_for_arp == 1;
        is_sending.then(|| match () {
            () if self.0.spec.flow.destination.ip().is_multicast() => PeerState::Multicast,
            () if self.0.is_broadcast => PeerState::Broadcast,
            () if waits => PeerState::Unresolved,
            () => PeerState::Resolved,
        })
    }

    /// Its rates, with the time of its last frame.
    pub(crate) fn recent(&self) -> Option<RecentTraffic> {
        let rates = self.0.traffic.recent.rates()?;
        let last_frame_ns = self.0.stats.snapshot().last_frame_ns;
        Some(RecentTraffic {
            last_frame_at: (last_frame_ns > 0).then(|| self.0.clock.wall_at(last_frame_ns)),
            ..rates
        })
    }

    /// Both legs, as the API shows them.
    pub(super) fn legs(&self) -> Option<Legs> {
        self.0
            .traffic
            .legs(&self.0.spec, &self.0.stats, &self.0.clock)
    }

    pub(crate) fn measure_legs(&self, metrics: &mut Exposition, labels: [(&'static str, &str); 2]) {
        let Some(legs) = self.legs() else {
            return;
        };
        for (leg, state) in [("1", &legs.first), ("2", &legs.second)] {
            measure_leg(metrics, [labels[0], labels[1], ("leg", leg)], state);
        }
        for (what, count) in [
            ("lost", legs.packets_lost),
            ("recovered", legs.packets_recovered),
        ] {
            metrics.count(
                "onair_session_legs_packets",
                "Packets that a leg lost.",
                &[labels[0], labels[1], ("what", what)],
                count,
            );
        }
        #[expect(clippy::cast_precision_loss, reason = "a nanosecond in 104 days")]
        let skews = [
            ("now", legs.skew_ns.map(|ns| ns as f64)),
            ("p99", legs.skew_p99_ns.map(|ns| ns as f64)),
            ("max", legs.skew_max_ns.map(|ns| ns as f64)),
        ];
        for (of, ns) in skews {
            let Some(ns) = ns else { continue };
            metrics.gauge(
                "onair_session_legs_skew_seconds",
                "Skew of the legs: of the last packet, and in the last second.",
                &[labels[0], labels[1], ("of", of)],
                seconds(ns),
            );
        }
    }

    /// The timing of its packets; `None` unless it runs and has measured some.
    pub(crate) fn timing(&self) -> Option<TimingDocument> {
        let is_running = self.0.core.state() == SessionState::Running;
        let monitor = self.0.traffic.timing.as_deref().filter(|_| is_running)?;
        monitor.document(self.0.clock.monotonic_ns())
    }

    pub(crate) fn measure_timing(
        &self,
        metrics: &mut Exposition,
        labels: [(&'static str, &str); 2],
    ) {
        let is_running = self.0.core.state() == SessionState::Running;
        let Some(monitor) = self.0.traffic.timing.as_deref().filter(|_| is_running) else {
            return;
        };
        let mut add = |gauge: Gauge| {
            let labels = labels.into_iter().chain(gauge.label);
            let labels: Vec<_> = labels.collect();
            metrics.gauge(gauge.name, gauge.help, &labels, gauge.value);
        };
        monitor.gauges(self.0.clock.monotonic_ns(), &mut add);
    }

    /// How long after the times of their timestamps its units began to come, or to be sent, in nanoseconds: the least of
    /// the last second, because a host may be late. `None` unless it runs and the timestamps follow TAI.
    pub fn delay_ns(&self, clock: &MediaClock) -> Option<i64> {
        if self.0.core.state() != SessionState::Running {
            return None;
        }
        let (now_ns, ahead_ns) = (self.0.clock.monotonic_ns(), clock.ahead_ns());
        let rtp = self.0.spec.rtp_clock();
        let newest = FrameClock::of(self.0.stats.snapshot().frame_clock);
        let newest = Some(newest).filter(|it| *it != FrameClock::of(0));
        let clocks = self.0.traffic.recent.frame_clocks().chain(newest);
        let delays = clocks.map(|it| {
            let tai_ns = it.ns(now_ns).saturating_add(ahead_ns);
            let stamped_ns = rtp.nearest_ns(it.timestamp, tai_ns);
            tai_ns.wrapping_sub(stamped_ns).cast_signed()
        });
        delays.min().filter(|it| it.abs() <= SAME_CLOCK_NS)
    }

    /// Its name and counters, closed when the session has ended.
    pub fn totals(&self) -> SessionTotals {
        SessionTotals {
            id: self.0.id,
            name: self.0.spec.name.clone(),
            port: self.0.spec.port.clone(),
            direction: self.0.spec.direction,
            stats: Arc::clone(&self.0.stats),
        }
    }
}

/// Nanoseconds as seconds.
fn seconds(ns: f64) -> f64 {
    ns / 1e9
}

fn measure_leg(metrics: &mut Exposition, labels: [(&'static str, &str); 3], state: &LegState) {
    for (what, count) in [
        ("used", state.packets_used),
        ("duplicate", state.packets_duplicate),
        ("late", state.packets_late),
        ("other_stream", state.packets_other_stream),
        ("before_restart", state.packets_before_restart),
        ("oversized", state.packets_oversized),
        ("malformed", state.packets_malformed),
        ("reordered", state.packets_reordered),
        ("lost", state.packets_lost),
    ] {
        metrics.count(
            "onair_session_leg_packets",
            "Packets of a leg.",
            &[labels[0], labels[1], labels[2], ("what", what)],
            count,
        );
    }
}

/// A session's name and counters.
#[derive(Debug)]
pub struct SessionTotals {
    /// Its id.
    pub id: SessionId,
    name: SessionName,
    port: String,
    direction: Direction,
    stats: Arc<SessionStats>,
}

impl SessionTotals {
    /// The sums; `blockers` are the users that blocked the destroy.
    pub fn close(&self, outcome: SessionOutcome, blockers: Vec<Blocker>) -> SessionSummary {
        let now = convert::counters(&self.stats);
        let malformed = ("packets_malformed", self.stats.snapshot().packets_malformed);
        let losses = SessionCounters::ALL.iter().filter(|it| it.is_loss);
        let losses = losses.map(|it| (it.name, (it.value)(&now)));
        let drops: BTreeMap<String, u64> = losses
            .chain([malformed])
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| (name.to_owned(), count))
            .collect();
        SessionSummary {
            id: self.id,
            name: self.name.clone(),
            port: self.port.clone(),
            direction: self.direction,
            certificate: (outcome != SessionOutcome::Abandoned)
                .then(|| onair_archive::file_name(self.id)),
            outcome,
            frames: match self.direction {
                Direction::Receive | Direction::Local => now.frames_complete,
                Direction::Send => now.frames_sent,
            },
            packets: now.packets,
            bytes: now.bytes,
            drops,
            blockers,
        }
    }
}
