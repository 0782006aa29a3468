//! BCP-002-02: what a node and a device are, for inventories.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

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

fn tag(name: &str) -> String {
    format!("urn:x-nmos:tag:asset:{name}/v1.0")
}
