//! The tile of a session.

use std::time::Duration;

use onair_api::{
    AttachmentState, AttachmentView, Direction, ListedSession, SessionId, SessionState,
    SessionView, SignalState, Timestamp,
};
use onair_essence::TimingDocument;
use serde::Serialize;

use crate::looks::{Way, is_shown};

/// How much a session needs a look, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// An end waits for users that do not leave, or a stop left some.
    Hung,
    /// No picture, or a wrong one.
    Fault,
    /// Something is missing, late or lost.
    Warning,
    /// It was stopped, or never started.
    Off,
    /// As it should be.
    Good,
}

/// A session's tile. Figures are rounded: a session that is well says the same each second.
#[derive(Clone, Debug, Serialize)]
pub struct Tile {
    id: SessionId,
    name: String,
    group: Option<String>,
    direction: Direction,
    state: SessionState,
    port: String,
    essence: &'static str,
    format: String,
    /// Whether [`crate::looks`] has something to show.
    pub(super) has_look: bool,
    severity: Severity,
    signal: Option<SignalState>,
    since: Option<Timestamp>,
    /// One sentence: why, and what to do.
    sentence: Option<String>,
    /// Frames a second, to a tenth.
    rate: Option<String>,
    lost_ppm: Option<u64>,
    legs: Vec<LegTile>,
    /// Between the legs, in microseconds.
    leg_skew_us: Option<i64>,
    /// After the first member of its group, in milliseconds.
    pub(super) group_skew_ms: Option<i64>,
    timecode: Option<String>,
    captions: Option<bool>,
    /// But for the wall's own.
    attachments: usize,
    /// Users that a stopped session still has, each in a line.
    blockers: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct LegTile {
    port: String,
    link_up: Option<bool>,
    lost: u64,
}

/// Time in which clients leave after a stop.
const STOP_TAKES: Duration = Duration::from_secs(2);
/// DIDs of captions: CEA-708 and CEA-608 (ST 334-1).
const CAPTIONS: [&str; 2] = ["61/01", "61/02"];

impl Tile {
    /// Of a session.
    #[must_use]
    pub fn of(view: &SessionView) -> Self {
        let listed = ListedSession::from(view);
        let kind = view.format.kind();
        let signal = view.signal.as_ref();
        let problem = view.problems.first().map(|it| it.detail.clone());
        let legs = view.legs.iter().flat_map(|it| [&it.first, &it.second]);
        let (timecode, captions) = ancillary(view);
        Self {
            id: view.id,
            name: view.name.to_string(),
            group: view.member_of.as_ref().map(ToString::to_string),
            direction: view.direction,
            state: view.state,
            port: view.port.clone(),
            essence: kind.name(),
            format: listed.format().to_owned(),
            has_look: way(view).is_some(),
            severity: severity(view),
            signal: signal.map(|it| it.state),
            since: signal.map_or(view.stopped_at, |it| Some(it.since)),
            sentence: signal.and_then(|it| it.reason.clone()).or(problem),
            rate: view.recent.map(|it| tenths(it.frames_per_1000_s)),
            lost_ppm: view.recent.map(|it| it.lost_ppm),
            legs: legs
                .map(|it| LegTile {
                    port: it.port.clone(),
                    link_up: it.link_up,
                    lost: it.packets_lost,
                })
                .collect(),
            leg_skew_us: view
                .legs
                .as_ref()
                .and_then(|it| Some(round_us(it.skew_ns?))),
            group_skew_ms: None,
            timecode,
            captions,
            attachments: view.attachments.iter().filter(is_other).count(),
            blockers: Vec::new(),
        }
    }
}

impl Tile {
    /// Users that it still has, each in a line. A while after a stop they should be gone.
    pub(super) fn is_held_by(&mut self, users: Vec<String>, stopped_at: Option<Timestamp>) {
        let since = stopped_at.and_then(|it| it.0.elapsed().ok());
        let is_late = since.is_some_and(|it| it >= STOP_TAKES);
        if self.state == SessionState::Stopped && is_late && !users.is_empty() {
            self.severity = Severity::Hung;
        }
        self.blockers = users;
    }
}

/// How the wall gets a look at it, if there is something to see.
pub(crate) fn way(view: &SessionView) -> Option<Way> {
    is_shown(view.format.kind()).then_some(match view.direction {
        Direction::Receive | Direction::Local => Way::Attach,
        Direction::Send => Way::Snapshot,
    })
}

/// Whether it is not this process.
fn is_other(it: &&AttachmentView) -> bool {
    it.pid != std::process::id()
}

/// Whether its end may wait for users.
pub(super) fn is_ending(view: &SessionView) -> bool {
    let uses = |it: &AttachmentView| {
        it.state != AttachmentState::Revoked && (it.held > 0 || it.threads_inside > 0)
    };
    match view.state {
        SessionState::Draining => true,
        SessionState::Stopped => view.attachments.iter().any(uses),
        _ => false,
    }
}

fn severity(view: &SessionView) -> Severity {
    let signal = view.signal.as_ref().map(|it| it.state);
    match (view.state, signal) {
        (SessionState::Draining | SessionState::Quarantined, _) => Severity::Hung,
        (SessionState::Created | SessionState::Stopped | SessionState::Destroyed, _) => {
            Severity::Off
        }
        (
            SessionState::Running,
            Some(SignalState::Absent | SignalState::Mismatch | SignalState::OtherSender),
        ) => Severity::Fault,
        (SessionState::Running, Some(SignalState::Impaired | SignalState::Timestamps)) => {
            Severity::Warning
        }
        (SessionState::Running, _) if !view.problems.is_empty() => Severity::Warning,
        (SessionState::Running, _) => Severity::Good,
    }
}

/// The last timecode, and whether captions came.
fn ancillary(view: &SessionView) -> (Option<String>, Option<bool>) {
    match &view.timing {
        Some(TimingDocument::Ancillary(timing)) => {
            let mut kinds = timing.kinds.iter();
            let captions = kinds.any(|it| CAPTIONS.contains(&it.did_sdid.as_str()));
            // Its frames count on each second: the page shows the whole seconds.
            let timecode = timing.timecode.as_ref();
            (
                timecode.map(|it| it.chars().take(8).collect()),
                Some(captions),
            )
        }
        _ => (None, None),
    }
}

fn tenths(per_1000_s: u64) -> String {
    let tenths = (per_1000_s + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// To ten microseconds.
const fn round_us(ns: i64) -> i64 {
    ns / 10_000 * 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_the_worst_is_first() {
        assert_eq!(tenths(59_940), "59.9");
        assert_eq!(tenths(49_990), "50.0");
        assert_eq!(round_us(-123_456), -120);
        let mut all = [
            Severity::Good,
            Severity::Hung,
            Severity::Off,
            Severity::Fault,
        ];
        all.sort_unstable();
        assert_eq!(
            all,
            [
                Severity::Hung,
                Severity::Fault,
                Severity::Off,
                Severity::Good
            ]
        );
    }
}
