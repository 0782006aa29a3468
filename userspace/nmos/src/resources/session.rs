//! The resources of a session.

use std::net::SocketAddr;

use onair_api::SessionView;
use onair_essence::Format;
use serde_json::{Map, Value, json};

use super::essence::{Described, constraint, describe};
use super::node::resource;
use super::{Frame, Kind, Resource, clock, group};

/// Source, flow and sender. A format that IS-04 has no words for leaves a sender without them.
pub(super) fn sending(
    frame: &Frame<'_>,
    session: &SessionView,
    role: Option<&str>,
) -> Vec<Resource> {
    let (ids, name) = (frame.ids, &session.name);
    let described = Format::try_from(session.format.clone());
    let described = described.ok().map(|it| describe(&it));
    let parts = described
        .as_ref()
        .and_then(|it| Some((it, it.flow.as_ref()?)));
    let mut made = Vec::new();
    if let Some((it, flow)) = parts {
        let mut fields = common(session, ids.source(name), None);
        fields["device_id"] = json!(ids.device());
        fields["format"] = json!(urn(it));
        fields["caps"] = json!({});
        fields["parents"] = json!([]);
        fields["clock_name"] = json!(clock::NAME);
        made.push(with(Kind::Source, ids.source(name), fields, it, &it.source));
        let mut fields = common(session, ids.flow(name), None);
        fields["device_id"] = json!(ids.device());
        fields["source_id"] = json!(ids.source(name));
        fields["parents"] = json!([]);
        fields["format"] = json!(urn(it));
        fields["media_type"] = json!(it.media_type);
        made.push(with(Kind::Flow, ids.flow(name), fields, it, flow));
    }
    let id = ids.sender(name);
    let subscription = frame.subscription(session);
    let mut fields = common(session, id, role);
    fields["device_id"] = json!(ids.device());
    fields["flow_id"] = json!(parts.map(|_| ids.flow(name)));
    fields["caps"] = json!({});
    fields["transport"] = json!(transport(session));
    let manifest = format!(
        "{}/single/senders/{id}/transportfile",
        frame.host.connection()
    );
    fields["manifest_href"] = json!(manifest);
    fields["interface_bindings"] = json!(ports(session));
    fields["subscription"] = json!({
        "receiver_id": subscription.peer, "active": subscription.active,
    });
    let mut sender = resource(Kind::Sender, id, fields);
    sender
        .fields
        .extend(described.map(|it| it.sender).unwrap_or_default());
    sender.subscription = Some(subscription);
    made.push(sender);
    made
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
    let mut fields = common(session, id, role);
    fields["device_id"] = json!(frame.ids.device());
    fields["format"] = json!(urn(&described));
    fields["transport"] = json!(transport(session));
    fields["interface_bindings"] = json!(ports(session));
    fields["caps"] = caps(session, &described);
    fields["subscription"] = json!({
        "sender_id": subscription.peer, "active": subscription.active,
    });
    let mut receiver = resource(Kind::Receiver, id, fields);
    receiver.subscription = Some(subscription);
    Some(receiver)
}

/// BCP-004-01: senders of the session's own format. Another format is another session.
fn caps(session: &SessionView, described: &Described) -> Value {
    let mut set = described.constraints.clone();
    let media_type = constraint([json!(described.media_type)]);
    set.insert("urn:x-nmos:cap:format:media_type".to_owned(), media_type);
    let label = json!(session.format.to_string());
    set.insert("urn:x-nmos:cap:meta:label".to_owned(), label);
    json!({"media_types": [described.media_type], "constraint_sets": [set]})
}

fn common(session: &SessionView, id: uuid::Uuid, role: Option<&str>) -> Value {
    let tags: Map<_, _> = role
        .iter()
        .map(|it| (group::TAG.to_owned(), json!([it])))
        .collect();
    json!({
        "id": id,
        "label": session.name,
        "description": session.format.to_string(),
        "tags": tags,
    })
}

fn with(
    kind: Kind,
    id: uuid::Uuid,
    fields: Value,
    described: &Described,
    more: &Map<String, Value>,
) -> Resource {
    let mut made = resource(kind, id, fields);
    let rate = described.grain_rate.iter();
    made.fields
        .extend(rate.map(|it| ("grain_rate".to_owned(), it.clone())));
    made.fields.extend(more.clone());
    made
}

fn urn(described: &Described) -> String {
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
