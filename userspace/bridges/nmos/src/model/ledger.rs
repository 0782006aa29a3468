//! When each resource changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Document, Model};
use crate::Tai;
use crate::resources::{Kind, Resource};

/// Gives a resource a new version when it changes, and only then. Versions rise for the life of the ledger, whatever the
/// clock does; the next process begins at its own present, which is later.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<(Kind, Uuid), Entry>,
    last: Tai,
}

#[derive(Debug)]
struct Entry {
    resource: Resource,
    /// Tai of its capabilities (BCP-004-01).
    caps: Tai,
    document: Arc<Document>,
}

impl Ledger {
    /// Takes over what the resources are now; false if nothing changed.
    pub fn update(&mut self, resources: Vec<Resource>, now: Tai) -> bool {
        let version = now.later_than(self.last);
        let mut entries = BTreeMap::new();
        let mut changed = false;
        for resource in resources {
            let key = (resource.kind, resource.id);
            let old = self.entries.remove(&key);
            let entry = match old {
                Some(old) if old.resource == resource => old,
                old => {
                    changed = true;
                    Entry::new(resource, old.as_ref(), version)
                }
            };
            entries.insert(key, entry);
        }
        changed |= !self.entries.is_empty();
        self.entries = entries;
        if changed {
            self.last = version;
        }
        changed
    }

    /// The resources with their versions.
    #[must_use]
    pub fn model(&self, is_known: bool) -> Model {
        let documents = self.entries.iter();
        Model {
            documents: documents
                .map(|(key, it)| (*key, it.document.clone()))
                .collect(),
            is_known,
        }
    }
}

impl Entry {
    fn new(resource: Resource, old: Option<&Self>, version: Tai) -> Self {
        let caps = |it: &Resource| it.fields.get("caps").cloned();
        let same_caps = old.filter(|it| caps(&it.resource) == caps(&resource));
        let caps = same_caps.map_or(version, |it| it.caps);
        let mut body = resource.fields.clone();
        body.insert("version".to_owned(), json!(version.to_string()));
        if let (Kind::Receiver, Some(Value::Object(fields))) = (resource.kind, body.get_mut("caps"))
        {
            fields.insert("version".to_owned(), json!(caps.to_string()));
        }
        let body = Value::Object(body);
        Self {
            resource,
            caps,
            document: Arc::new(Document { version, body }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Map;

    use super::*;
    use crate::connection::Subscription;

    fn receiver(label: &str, caps: &str, active: bool) -> Resource {
        let fields = json!({"label": label, "caps": {"media_types": [caps]}});
        let fields = fields.as_object().cloned();
        Resource {
            kind: Kind::Receiver,
            id: Uuid::from_u128(7),
            fields: fields.unwrap_or_else(Map::new),
            subscription: Some(Subscription {
                active,
                ..Subscription::default()
            }),
        }
    }

    /// The versions of the only receiver and of its capabilities.
    fn versions(ledger: &Ledger) -> (String, String) {
        let model = ledger.model(true);
        let document = model.of_kind(Kind::Receiver).next().unwrap();
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let body = &document.body;
        (text(&body["version"]), text(&body["caps"]["version"]))
    }

    #[test]
    fn changes_in_one_nanosecond_then_versions_still_rise() {
        let now = Tai::at(Duration::new(9, 999_999_999));
        let mut ledger = Ledger::default();
        assert!(ledger.update(vec![receiver("a", "video/raw", false)], now));
        assert_eq!(
            versions(&ledger),
            ("9:999999999".into(), "9:999999999".into())
        );
        assert!(!ledger.update(vec![receiver("a", "video/raw", false)], now));
        assert_eq!(versions(&ledger).0, "9:999999999");
        assert!(ledger.update(vec![receiver("b", "video/raw", false)], now));
        assert_eq!(versions(&ledger), ("10:0".into(), "9:999999999".into()));
        assert!(ledger.update(vec![receiver("b", "video/jxsv", false)], now));
        assert_eq!(versions(&ledger), ("10:1".into(), "10:1".into()));
        assert!(ledger.update(vec![receiver("b", "video/jxsv", true)], now));
        assert_eq!(versions(&ledger), ("10:2".into(), "10:1".into()));
    }

    #[test]
    fn resource_gone_and_back_in_one_nanosecond_then_it_is_newer() {
        let now = Tai::at(Duration::from_secs(5));
        let mut ledger = Ledger::default();
        ledger.update(vec![receiver("a", "video/raw", false)], now);
        assert!(ledger.update(Vec::new(), now));
        assert!(ledger.model(true).documents.is_empty());
        assert!(ledger.update(vec![receiver("a", "video/raw", false)], now));
        assert_eq!(versions(&ledger).0, "5:2");
    }
}
