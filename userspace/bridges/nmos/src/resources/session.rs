//! The resources of a session.

use std::net::SocketAddr;

use onair_api::SessionView;
use onair_essence::Format;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Frame, Kind, Resource, clock, group};
use crate::essence::{Described, constraint, describe};

/// Source, flow and sender. A format that IS-04 has no words for leaves a sender without them.
pub(super) fn sending(
    frame: &Frame<'_>,
    session: &SessionView,
    role: Option<&str>,
) -> Vec<Resource> {
    let (ids, name) = (frame.ids, &session.name);
    let (source, flow) = (ids.source(name), ids.flow(name));
    let described = Format::try_from(session.format.clone());
    let described = described.ok().map(|it| describe(&it));
    let described_of = described.as_ref();
    let mut made =
        described_of.map_or_else(Vec::new, |it| flow_of(frame, session, it, (source, flow)));
    let id = ids.sender(name);
    let connection = frame.host.connection("v1.1");
    let subscription = frame.subscription(session);
    let own = json!({
        "device_id": ids.device(),
        "flow_id": (!made.is_empty()).then_some(flow),
        "caps": {},
        "transport": transport(session),
        "manifest_href": format!("{connection}/single/senders/{id}/transportfile"),
        "interface_bindings": ports(session),
        "subscription": {"receiver_id": subscription.peer, "active": subscription.active},
    });
    let more = described.map(|it| it.sender).unwrap_or_default();
    let mut sender = Resource::of(Kind::Sender, id, &[common(session, id, role), own, more]);
    sender.subscription = Some(subscription);
    made.push(sender);
    made
}

/// Source and flow, with these identities; none of a format that IS-04 has no words for.
pub(super) fn flow_of(
    frame: &Frame<'_>,
    session: &SessionView,
    described: &Described,
    (source, flow): (Uuid, Uuid),
) -> Vec<Resource> {
    let Some(fields) = &described.flow else {
        return Vec::new();
    };
    let device = frame.ids.device();
    let same = json!({"device_id": device, "format": urn(described), "parents": []});
    let same = [same, described.rate.clone()];
    let own = json!({"caps": {}, "clock_name": clock::NAME});
    let of_source = [common(session, source, None), own, described.source.clone()];
    let own = json!({"source_id": source, "media_type": described.media_type});
    let of_flow = [common(session, flow, None), own, fields.clone()];
    vec![
        Resource::of(Kind::Source, source, of_source.iter().chain(&same)),
        Resource::of(Kind::Flow, flow, of_flow.iter().chain(&same)),
    ]
}

/// The receiver; `None` of a format that this program does not know.
pub(super) fn receiving(
    frame: &Frame<'_>,
    session: &SessionView,
    role: Option<&str>,
) -> Option<Resource> {
    let described = describe(&Format::try_from(session.format.clone()).ok()?);
    let id = frame.ids.receiver(&session.name);
    let subscription = frame.subscription(session);
    let own = json!({
        "device_id": frame.ids.device(),
        "format": urn(&described),
        "transport": transport(session),
        "interface_bindings": ports(session),
        "caps": caps(session, &described),
        "subscription": {"sender_id": subscription.peer, "active": subscription.active},
    });
    let mut receiver = Resource::of(Kind::Receiver, id, &[common(session, id, role), own]);
    receiver.subscription = Some(subscription);
    Some(receiver)
}

/// BCP-004-01: senders of the session's own format. Another format is another session.
pub(super) fn caps(session: &SessionView, described: &Described) -> Value {
    let mut set = described.constraints.clone();
    set["urn:x-nmos:cap:format:media_type"] = constraint([json!(described.media_type)]);
    set["urn:x-nmos:cap:meta:label"] = json!(session.format.to_string());
    json!({"media_types": [described.media_type], "constraint_sets": [set]})
}

pub(super) fn common(session: &SessionView, id: Uuid, role: Option<&str>) -> Value {
    let tags = role.map_or_else(|| json!({}), |it| json!({group::TAG: [it]}));
    json!({"id": id, "label": session.name, "description": session.format.to_string(), "tags": tags})
}

pub(super) fn urn(described: &Described) -> String {
    format!("urn:x-nmos:format:{}", described.format)
}

/// By the destination of the first leg.
fn transport(session: &SessionView) -> &'static str {
    let destination = session.flow.destination.parse::<SocketAddr>();
    match destination.is_ok_and(|it| it.ip().is_multicast()) {
        true => "urn:x-nmos:transport:rtp.mcast",
        false => "urn:x-nmos:transport:rtp.ucast",
    }
}

/// The port of each leg.
fn ports(session: &SessionView) -> Vec<&str> {
    let second = session.flow.second_leg.iter().map(|it| it.port.as_str());
    std::iter::once(session.port.as_str())
        .chain(second)
        .collect()
}
