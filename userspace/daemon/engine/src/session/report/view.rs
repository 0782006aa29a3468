//! A session, as it is shown.

use onair_api::{
    AttachmentState, AttachmentView, Direction, Legs, MissedUnits, PeerState, RecentTraffic,
    SessionState, SessionView,
};
use onair_dataplane::Ssrc;
use onair_session::Runtime as _;

use crate::session::retarget::Next;
use crate::session::traffic::look::{dropped_by, oldest_held_ms};
use crate::session::{Session, attachment, convert};

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
}
