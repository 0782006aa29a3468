//! The node and its device.

use std::net::IpAddr;

use onair_api::{Health, PortHealth};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

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

/// Where this process answers, and how people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name of the machine, if it is one of DNS.
    pub hostname: Option<String>,
    /// Host of the URLs: an address or a name of DNS.
    pub address: String,
    /// TCP port of the URLs.
    pub port: u16,
    /// It answers over TLS only.
    pub tls: bool,
    /// Label of the node and the device.
    pub label: String,
    /// Their description.
    pub description: String,
    /// Their data for inventories.
    pub asset: Asset,
}

impl Host {
    /// The protocol of the APIs: `api_proto` of IS-04.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match self.tls {
            true => "https",
            false => "http",
        }
    }

    /// The start of all URLs, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> String {
        let (protocol, address, port) = (self.protocol(), &self.address, self.port);
        match address.parse() {
            Ok(IpAddr::V6(address)) => format!("{protocol}://[{address}]:{port}"),
            _ => format!("{protocol}://{address}:{port}"),
        }
    }

    /// Base of a version of the Connection API.
    #[must_use]
    pub fn connection(&self, version: &str) -> String {
        format!("{}/x-nmos/connection/{version}", self.base())
    }

    /// The WebSocket of the control protocol.
    #[must_use]
    pub fn control(&self) -> String {
        let base = self.base();
        let rest = base.strip_prefix("http").unwrap_or(&base);
        format!("ws{rest}/x-nmos/ncp/v1.0")
    }
}

/// The asset information of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asset {
    /// Manufacturer.
    pub manufacturer: String,
    /// Product.
    pub product: String,
    /// Serial number or the like; the node's id when absent.
    pub instance_id: Option<String>,
    /// Functions of the device.
    pub functions: Vec<String>,
}

impl Asset {
    /// The tags of the node with this id.
    pub(super) fn of_node(&self, id: Uuid) -> Map<String, Value> {
        let instance = self.instance_id.clone();
        let instance = instance.unwrap_or_else(|| id.to_string());
        let one = |name: &str, value: &str| (tag(name), json!([value]));
        Map::from_iter([
            one("manufacturer", &self.manufacturer),
            one("product", &self.product),
            one("instance-id", &instance),
        ])
    }

    /// The tags of the device of that node.
    pub(super) fn of_device(&self, node: Uuid) -> Map<String, Value> {
        let mut tags = self.of_node(node);
        tags.insert(tag("function"), json!(self.functions));
        tags
    }
}

impl Default for Asset {
    fn default() -> Self {
        Self {
            manufacturer: "OnAir".to_owned(),
            product: "onaird".to_owned(),
            instance_id: None,
            functions: vec!["IP Gateway".to_owned()],
        }
    }
}

fn tag(name: &str) -> String {
    format!("urn:x-nmos:tag:asset:{name}/v1.0")
}
