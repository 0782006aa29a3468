//! The node and its device.

use onair_api::{Health, PortHealth};
use serde_json::{Value, json};

use super::{Frame, Kind, Resource, clock};
use crate::connection::versions as connection_versions;

/// `port_id` of a port whose device has no Ethernet address now.
const NO_ADDRESS: &str = "00-00-00-00-00-00";

pub(super) fn node(frame: &Frame<'_>, health: Option<&Health>) -> Resource {
    let (id, host) = (frame.ids.node(), frame.host);
    let ports = health.map(|it| it.dataplane.ports.as_slice());
    let interfaces: Vec<_> = ports.unwrap_or_default().iter().map(interface).collect();
    let mut fields = json!({
        "id": id,
        "label": host.label,
        "description": host.description,
        "tags": host.asset.of_node(id),
        "href": format!("{}/", host.base()),
        "caps": {},
        "api": {
            "versions": ["v1.3"],
            "endpoints": [
                {
                    "host": host.address, "port": host.port, "protocol": host.protocol(),
                    "authorization": false,
                },
            ],
        },
        "services": [],
        "clocks": [clock::clock(health)],
        "interfaces": interfaces,
    });
    if let Some(name) = &host.hostname {
        fields["hostname"] = json!(name);
    }
    Resource::of(Kind::Node, id, &[fields])
}

/// A port. There is no LLDP on it: neither its chassis nor what it is attached to is known.
fn interface(port: &PortHealth) -> Value {
    let address = port.mac.to_lowercase().replace(':', "-");
    let pairs: Vec<_> = address.split('-').collect();
    let is_pair = |it: &&str| it.len() == 2 && it.bytes().all(|it| it.is_ascii_hexdigit());
    let is_address = pairs.len() == 6 && pairs.iter().all(is_pair);
    json!({
        "name": port.name,
        "chassis_id": null,
        "port_id": if is_address { &address } else { NO_ADDRESS },
    })
}

pub(super) fn device(frame: &Frame<'_>, others: &[Resource]) -> Resource {
    let (id, host) = (frame.ids.device(), frame.host);
    let of_kind = |kind| {
        let of_kind = others.iter().filter(move |it| it.kind == kind);
        of_kind.map(|it| it.id).collect::<Vec<_>>()
    };
    let versions = connection_versions(frame.mxl.is_some()).iter();
    let connections = versions.map(|version| {
        json!({
            "href": format!("{}/", host.connection(version)),
            "type": format!("urn:x-nmos:control:sr-ctrl/{version}"),
            "authorization": false,
        })
    });
    let control = json!({
        "href": host.control(),
        "type": "urn:x-nmos:control:ncp/v1.0",
        "authorization": false,
    });
    let fields = json!({
        "id": id,
        "label": host.label,
        "description": host.description,
        "tags": host.asset.of_device(frame.ids.node()),
        "type": "urn:x-nmos:device:generic",
        "node_id": frame.ids.node(),
        "senders": of_kind(Kind::Sender),
        "receivers": of_kind(Kind::Receiver),
        "controls": connections.chain([control]).collect::<Vec<_>>(),
    });
    Resource::of(Kind::Device, id, &[fields])
}
