//! Where a client can be put to death: the rows of the matrix.

use onair_victim::{LabelAction, Trap};

use crate::dice::Dice;

/// What a victim does; the session to be created has its name later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VictimTask {
    /// Uses its sessions until it dies.
    Use,
    /// Leaves them by a detach.
    Detach,
    /// Leaves them by dropping them.
    Drop,
    /// Creates one, and destroys it.
    Destroy,
    /// Creates one, and aborts it.
    Abort,
}

/// Which sessions it needs to come to the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VictimSessions {
    /// Any.
    Any,
    /// Those that frames come to.
    Frames,
    /// Those that frames come to in packets: a client can have them while they are received.
    Packets,
    /// The one that is stopped and started all the time.
    Pulses,
    /// One that clients fill.
    Fill,
    /// One of its own.
    Own,
}

/// A row: one point in one way of coming to it.
#[derive(Clone, Debug)]
pub struct Point {
    /// What the table calls it.
    pub name: String,
    /// The label; none is any instant, from outside.
    pub label: Option<String>,
    /// What the victim does.
    pub kind: VictimTask,
    /// Where.
    pub place: VictimSessions,
    /// First and last time at which it may die there.
    pub hits: (u32, u32),
    /// Whether each of its threads comes to the point, so that one may be chosen.
    pub any_thread: bool,
}

impl Point {
    fn new(
        call: &str,
        label: &str,
        kind: VictimTask,
        place: VictimSessions,
        hits: (u32, u32),
    ) -> Self {
        Self {
            name: format!("{call} {label}"),
            label: Some(label.to_owned()),
            kind,
            place,
            hits,
            any_thread: false,
        }
    }

    /// Where and when exactly a victim dies; `None` from outside.
    pub fn trap(&self, dice: &mut Dice) -> Option<Trap> {
        let (first, last) = self.hits;
        let hit = first + u32::try_from(dice.roll(u64::from(last - first + 1))).unwrap_or(0);
        // Threads that call nothing but buffer_get.
        let thread = (self.any_thread && dice.one_of(500)).then(|| [0, 1, 2, 7][dice.below(4)]);
        Some(Trap {
            label: self.label.clone()?,
            hit,
            thread,
            action: LabelAction::Die,
        })
    }
}

/// Every point of the labels.
#[must_use]
pub fn points(labels: &[String]) -> Vec<Point> {
    let mut points = Vec::new();
    for label in labels {
        let mut add = |call, kind, place, hits| {
            points.push(Point::new(call, label, kind, place, hits));
        };
        let (group, step) = label.split_once('.').unwrap_or((label, ""));
        match (group, step) {
            // Three requests make an attachment: hello, attach, proved. The fourth is its end.
            ("request", _) => {
                add("attach", VictimTask::Use, VictimSessions::Any, (1, 3));
                add("detach", VictimTask::Detach, VictimSessions::Any, (4, 4));
                add("create", VictimTask::Destroy, VictimSessions::Own, (2, 2));
                add("destroy", VictimTask::Destroy, VictimSessions::Own, (5, 5));
                add("abort", VictimTask::Abort, VictimSessions::Own, (5, 5));
            }
            ("attach", _) => add("attach", VictimTask::Use, VictimSessions::Any, (1, 1)),
            ("create", _) => add("create", VictimTask::Destroy, VictimSessions::Own, (1, 1)),
            ("detach", _) => add("detach", VictimTask::Detach, VictimSessions::Any, (1, 1)),
            ("leave", _) => {
                add("detach", VictimTask::Detach, VictimSessions::Any, (1, 1));
                add("destroy", VictimTask::Destroy, VictimSessions::Own, (1, 1));
                add("abort", VictimTask::Abort, VictimSessions::Own, (1, 1));
            }
            ("drop", _) => add("drop", VictimTask::Drop, VictimSessions::Any, (1, 1)),
            ("submit", _) => add("put", VictimTask::Use, VictimSessions::Fill, (1, 12)),
            ("put", _) => {
                add("put", VictimTask::Use, VictimSessions::Frames, (1, 12));
                add("put", VictimTask::Use, VictimSessions::Fill, (1, 12));
            }
            ("take", _) => {
                add("get", VictimTask::Use, VictimSessions::Frames, (1, 12));
                add("get", VictimTask::Use, VictimSessions::Fill, (1, 12));
            }
            ("open", _) => add("get", VictimTask::Use, VictimSessions::Packets, (1, 12)),
            ("call", "served" | "left") | ("wait", "served") => {
                add("get", VictimTask::Use, VictimSessions::Frames, (1, 12));
            }
            ("event", _) => add("poll", VictimTask::Use, VictimSessions::Pulses, (1, 2)),
            ("bounce" | "started", _) => {
                add("stop", VictimTask::Use, VictimSessions::Pulses, (1, 6))
            }
            ("kick", _) => add("kick", VictimTask::Use, VictimSessions::Any, (1, 3)),
            ("stop" | "start" | "ring", _) => {
                add("stop", VictimTask::Use, VictimSessions::Any, (1, 12))
            }
            ("watch", _) => add("event_fd", VictimTask::Use, VictimSessions::Any, (1, 6)),
            ("claim", "before_vacate" | "vacated") => {
                add("get", VictimTask::Use, VictimSessions::Any, (1, 6))
            }
            ("claim", _) => add("get", VictimTask::Use, VictimSessions::Any, (1, 16)),
            _ => add("get", VictimTask::Use, VictimSessions::Any, (1, 24)),
        }
    }
    for point in &mut points {
        let label = point.label.as_deref().unwrap_or_default();
        point.any_thread = point.place != VictimSessions::Fill
            && matches!(
                label,
                "call.begun" | "call.counted" | "call.gates_read" | "wait.joined"
            );
        if point.place == VictimSessions::Fill {
            point.name.push_str(" (fill)");
        }
    }
    points
}

/// Any instant: one for each kind of victim.
#[must_use]
pub fn random() -> Vec<Point> {
    let kinds = [
        ("use", VictimTask::Use, VictimSessions::Any),
        ("use frames", VictimTask::Use, VictimSessions::Frames),
        ("use (fill)", VictimTask::Use, VictimSessions::Fill),
        ("detach", VictimTask::Detach, VictimSessions::Frames),
        ("drop", VictimTask::Drop, VictimSessions::Any),
        ("create, destroy", VictimTask::Destroy, VictimSessions::Own),
        ("create, abort", VictimTask::Abort, VictimSessions::Own),
    ];
    let points = kinds.map(|(name, kind, place)| Point {
        name: format!("{name}, any instant"),
        label: None,
        kind,
        place,
        hits: (1, 1),
        any_thread: false,
    });
    points.into()
}
