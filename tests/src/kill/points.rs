//! Where a client can be put to death: the rows of the matrix.

use onair_victim::{LabelAction, Trap};

use crate::dice::Dice;

/// What a victim does; the session to be created has its name later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
pub enum Place {
    /// Any.
    Any,
    /// Those that frames come to.
    Frames,
    /// The one that is stopped and started all the time.
    Pulses,
    /// The one that clients fill.
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
    pub kind: Kind,
    /// Where.
    pub place: Place,
    /// First and last time at which it may die there.
    pub hits: (u32, u32),
    /// Whether each of its threads comes to the point, so that one may be chosen.
    pub any_thread: bool,
}

impl Point {
    fn new(call: &str, label: &str, kind: Kind, place: Place, hits: (u32, u32)) -> Self {
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
                add("attach", Kind::Use, Place::Any, (1, 3));
                add("detach", Kind::Detach, Place::Any, (4, 4));
                add("create", Kind::Destroy, Place::Own, (2, 2));
                add("destroy", Kind::Destroy, Place::Own, (5, 5));
                add("abort", Kind::Abort, Place::Own, (5, 5));
            }
            ("attach", _) => add("attach", Kind::Use, Place::Any, (1, 1)),
            ("create", _) => add("create", Kind::Destroy, Place::Own, (1, 1)),
            ("detach", _) => add("detach", Kind::Detach, Place::Any, (1, 1)),
            ("leave", _) => {
                add("detach", Kind::Detach, Place::Any, (1, 1));
                add("destroy", Kind::Destroy, Place::Own, (1, 1));
                add("abort", Kind::Abort, Place::Own, (1, 1));
            }
            ("drop", _) => add("drop", Kind::Drop, Place::Any, (1, 1)),
            ("submit", _) => add("put", Kind::Use, Place::Fill, (1, 12)),
            ("put", _) => {
                add("put", Kind::Use, Place::Frames, (1, 12));
                add("put", Kind::Use, Place::Fill, (1, 12));
            }
            ("take", _) => {
                add("get", Kind::Use, Place::Frames, (1, 12));
                add("get", Kind::Use, Place::Fill, (1, 12));
            }
            ("call", "served" | "left") | ("wait", "served") => {
                add("get", Kind::Use, Place::Frames, (1, 12));
            }
            ("event", _) => add("poll", Kind::Use, Place::Pulses, (1, 2)),
            ("bounce" | "started", _) => add("stop", Kind::Use, Place::Pulses, (1, 6)),
            ("kick", _) => add("kick", Kind::Use, Place::Any, (1, 3)),
            ("stop" | "start" | "ring", _) => add("stop", Kind::Use, Place::Any, (1, 12)),
            ("watch", _) => add("event_fd", Kind::Use, Place::Any, (1, 6)),
            ("claim", "before_vacate" | "vacated") => add("get", Kind::Use, Place::Any, (1, 6)),
            ("claim", _) => add("get", Kind::Use, Place::Any, (1, 16)),
            _ => add("get", Kind::Use, Place::Any, (1, 24)),
        }
    }
    for point in &mut points {
        let label = point.label.as_deref().unwrap_or_default();
        point.any_thread = point.place != Place::Fill
            && matches!(
                label,
                "call.begun" | "call.counted" | "call.gates_read" | "wait.joined"
            );
        if point.place == Place::Fill {
            point.name.push_str(" (send)");
        }
    }
    points
}

/// Any instant: one for each kind of victim.
#[must_use]
pub fn random() -> Vec<Point> {
    let kinds = [
        ("use", Kind::Use, Place::Any),
        ("use frames", Kind::Use, Place::Frames),
        ("use (send)", Kind::Use, Place::Fill),
        ("detach", Kind::Detach, Place::Frames),
        ("drop", Kind::Drop, Place::Any),
        ("create, destroy", Kind::Destroy, Place::Own),
        ("create, abort", Kind::Abort, Place::Own),
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
