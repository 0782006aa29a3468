//! Ports, pollers and configuration of a life.

use std::sync::Arc;
use std::time::Duration;

use onair_api::{NewSession, NewSessionDocument, SessionRef, SessionSpec};
use onair_dataplane::{
    DataplaneConfig, Idle, PollerSpec, PortAddresses, PortJournal, PortSpec, Rest,
};
use onair_settings::config::Config;
use serde_json::{Value, json};

#[derive(Debug)]
struct NoJournal;

impl PortJournal for NoJournal {
    fn before_open(&self, _: &PortSpec) {}
    fn after_open(&self, _: &PortSpec) {}
}

/// The ports `a`, `b` and `c`, whose own addresses end in 1; the poller `p0` has `a` and `c`, the poller `p1` `a` and `b`.
pub(super) fn dataplane() -> DataplaneConfig {
    let port = |name: &str, pollers: &[usize], address: [u8; 4]| PortSpec {
        name: name.into(),
        device: String::new(),
        netns: None,
        xdp: Default::default(),
        mtu: None,
        rx_ring: None,
        addresses: PortAddresses {
            ipv4: Some((address.into(), 24)),
            ..PortAddresses::default()
        },
        vlan: None,
        pollers: pollers.to_vec(),
    };
    let poller = |(core, name): (usize, &str)| PollerSpec {
        name: name.into(),
        core,
        idle: Idle::Busy,
        rest: Rest::default(),
    };
    DataplaneConfig {
        ports: vec![
            port("a", &[0, 1], [10, 9, 1, 1]),
            port("b", &[1], [10, 9, 2, 1]),
            port("c", &[0], [10, 9, 3, 1]),
        ],
        pollers: ["p0", "p1"].into_iter().enumerate().map(poller).collect(),
        port_busy: Duration::ZERO,
        journal: Arc::new(NoJournal),
    }
}

/// The configuration of it, with `more`.
pub(super) fn config(more: &str) -> Config {
    let text = "[[poller]]\nname = \"p0\"\n[[poller]]\nname = \"p1\"\n\
                [[port]]\nname = \"a\"\ndevice = \"\"\npollers = [\"p0\", \"p1\"]\n\
                [[port]]\nname = \"b\"\ndevice = \"\"\npoller = \"p1\"\n\
                [[port]]\nname = \"c\"\ndevice = \"\"\npoller = \"p0\"\n";
    toml::from_str(&format!("{text}{more}")).expect("the configuration is valid")
}

/// The session `cam`.
///
/// # Panics
/// Never: it is a name.
#[must_use]
pub fn cam() -> SessionRef {
    "cam".parse().expect("a name")
}

/// The session of this document.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn of_document(document: Value) -> NewSession {
    let document: NewSessionDocument = serde_json::from_value(document).expect("a document");
    document.try_into().expect("a valid session")
}

/// The specification of a session of small frames, in this direction, with more fields.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn session(name: &str, direction: &str, more: Value) -> NewSession {
    let mut body = json!({
        "name": name, "direction": direction, "port": "a",
        "video": {"width": 320, "height": 180, "frame_rate": "50/1", "depth": 8},
        "flow": {"destination": "239.9.1.1:5004"},
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    of_document(body)
}

/// The same, as a member of a group has it.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn member(name: &str, direction: &str, more: Value) -> SessionSpec {
    match session(name, direction, more) {
        NewSession::Complete(spec) => *spec,
        NewSession::Converted(_) => unreachable!("it has packets"),
    }
}

/// The specification of the session `name` of the frames of `from` in a layout.
///
/// # Panics
/// If it is invalid.
#[must_use]
pub fn converted(name: &str, from: &str, layout: &str) -> NewSession {
    of_document(json!({"name": name, "convert": {"from": from, "layout": layout}}))
}
