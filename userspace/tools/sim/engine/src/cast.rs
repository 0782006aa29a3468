//! The sessions and the users of a life.

use onair_api::{GroupName, NewGroup, NewSession, SessionName, SessionRef};
use onair_settings::access::authority::{Caller, Grant};
use onair_sim_machine::life::{member, of_document, session};
use onair_sim_machine::life::{owner, root, user};
use serde_json::{Value, json};

/// Kinds of sessions: each has a name, an essence, a direction, and ports.
pub(crate) const ROLES: usize = 9;
/// Members of the group; their roles follow those of [`ROLES`].
pub(crate) const MEMBERS: usize = 3;

/// Two that receive the same format, and can exchange their flows.
pub(crate) const ALIKE: [usize; 2] = [0, 6];
/// The converted session.
pub(crate) const CONVERTED: usize = 5;
/// Layout of its frames.
pub(crate) const LAYOUT: &str = "v210";
/// The local session.
pub(crate) const LOCAL: usize = 8;

/// Whether a process fills the frames of a role's session for the others.
pub(crate) const fn is_filled(role: usize) -> bool {
    matches!(role, CONVERTED | LOCAL)
}

const NAMES: [&str; ROLES + MEMBERS] = [
    "cam", "out", "sound", "captions", "xs", "mine", "other", "tone", "mix", "in-a", "in-b", "in-c",
];

/// The pollers that a session of a role can have.
pub(crate) const fn pollers(role: usize) -> &'static [usize] {
    match role {
        // Of two legs, at the ports a and c.
        2 | 4 => &[0],
        // At the port b.
        3 | 10 => &[1],
        _ => &[0, 1],
    }
}

/// The poller of a name.
pub(crate) fn poller(name: &str) -> Option<usize> {
    ["p0", "p1"].iter().position(|it| *it == name)
}

/// The name of a role's session.
pub(crate) fn name(role: usize) -> SessionName {
    NAMES[role].parse().expect("a name")
}

/// The same, as the target of a request.
pub(crate) fn target(role: usize) -> SessionRef {
    SessionRef::Name(name(role))
}

/// The group's name.
pub(crate) fn group() -> GroupName {
    "in".parse().expect("a name")
}

/// A destination of a role's session, of some that it may have.
pub(crate) fn destination(role: usize, variant: u64) -> String {
    // Two roles share one address, and so the packets of the first.
    let place = if role == 6 && variant.is_multiple_of(4) {
        0
    } else {
        role
    };
    let variant = if place == role { variant % 4 } else { 0 };
    format!("239.9.{}.{}:5004", place + 1, variant + 1)
}

/// The specification of a role's session.
pub(crate) fn specification(role: usize, variant: u64, is_persistent: bool) -> NewSession {
    if role == CONVERTED {
        return of_document(json!({
            "name": NAMES[role], "persistent": is_persistent,
            "convert": {"from": "cam", "layout": LAYOUT},
        }));
    }
    if role == LOCAL {
        return of_document(json!({
            "name": NAMES[role], "persistent": is_persistent, "direction": "local", "quota": 2, "max_attachments": 3,
            "video": {"width": 32, "height": 16, "frame_rate": "25/1", "depth": 8},
        }));
    }
    let (direction, more) = fields(role, variant, is_persistent);
    without_video(role, direction, more)
}

/// Those of the group.
pub(crate) fn new_group(variant: u64, is_persistent: bool) -> NewGroup {
    let sessions = (ROLES..ROLES + MEMBERS).map(|role| {
        let (direction, more) = fields(role, variant, is_persistent);
        member(NAMES[role], direction, more)
    });
    NewGroup {
        name: group(),
        sessions: sessions.collect(),
    }
}

fn without_video(role: usize, direction: &str, more: Value) -> NewSession {
    let is_video = more.get("video").is_some();
    if is_video {
        return session(NAMES[role], direction, more);
    }
    let mut body = json!({"name": NAMES[role], "direction": direction, "port": "a"});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    of_document(body)
}

/// Direction, and what its specification has beside the name.
fn fields(role: usize, variant: u64, is_persistent: bool) -> (&'static str, Value) {
    let video = |depth| json!({"width": 32, "height": 16, "frame_rate": "25/1", "depth": depth});
    let flow = json!({"destination": destination(role, variant)});
    let (direction, mut fields) = match role {
        0 => ("receive", json!({"video": video(10), "flow": flow})),
        1 => (
            "send",
            json!({"video": video(8), "flow": flow, "priority": 10}),
        ),
        2 => (
            "receive",
            json!({"audio": sound(), "flow": two_legs(role, flow, true)}),
        ),
        3 => (
            "send",
            json!({"ancillary": {"frame_rate": "25"}, "flow": flow, "port": "b"}),
        ),
        4 => {
            let xs = json!({
                "width": 64, "height": 32, "frame_rate": "50/1", "depth": 10, "bytes": 9_000,
            });
            (
                "send",
                json!({"jpeg_xs": xs, "flow": two_legs(role, flow, false)}),
            )
        }
        6 => (
            "receive",
            json!({"video": video(10), "flow": flow, "duration_ms": 1500}),
        ),
        7 => (
            "send",
            json!({"audio": sound(), "flow": flow, "priority": 90}),
        ),
        9 => ("receive", json!({"video": video(8), "flow": flow})),
        10 => ("send", json!({"video": video(8), "flow": flow})),
        _ => (
            "send",
            json!({"video": video(8), "flow": flow, "port": "b"}),
        ),
    };
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("persistent".into(), is_persistent.into());
        fields.insert("quota".into(), 2.into());
        fields.insert("max_attachments".into(), 3.into());
    }
    (direction, fields)
}

fn sound() -> Value {
    json!({"coding": "L24", "sample_rate": 48_000, "channels": 2})
}

fn two_legs(role: usize, mut flow: Value, merges: bool) -> Value {
    if let Some(flow) = flow.as_object_mut() {
        let to = format!("239.19.{}.1:5004", role + 1);
        let mut second = json!({"port": "c", "destination": to});
        if merges {
            second["class"] = "a".into();
        }
        flow.insert("second_leg".into(), second);
    }
    flow
}

/// One of the users: root, an operator, owners.
pub(crate) fn caller(which: u64) -> Caller {
    match which % 8 {
        0..=3 => root(),
        4 => user(7, Grant::Any),
        5 | 6 => owner(8),
        _ => owner(9),
    }
}
