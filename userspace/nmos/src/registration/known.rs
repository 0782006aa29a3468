//! What a registry has of the model.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Call;
use crate::Tai;
use crate::model::{Document, Model};
use crate::resources::Kind;

type Key = (Kind, Uuid);

/// The resources that a registry was sent, with the version of each that it took or refused last.
#[derive(Debug, Default)]
pub struct Known {
    sent: BTreeMap<Key, Sent>,
}

#[derive(Debug)]
struct Sent {
    version: Tai,
    /// It took this version or an earlier one.
    is_there: bool,
}

impl Known {
    /// Nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The registry took this version.
    pub(super) fn took(&mut self, key: Key, document: &Document) {
        let sent = Sent {
            version: document.version,
            is_there: true,
        };
        self.sent.insert(key, sent);
    }

    /// The registry refused this version. It stays as it is until it changes.
    pub(super) fn refused(&mut self, key: Key, document: &Document) {
        let is_there = self.sent.get(&key).is_some_and(|it| it.is_there);
        let version = document.version;
        self.sent.insert(key, Sent { version, is_there });
    }

    /// The registry does not have it.
    pub(super) fn forgot(&mut self, key: Key) {
        self.sent.remove(&key);
    }

    /// The next request that brings the registry nearer to the model: what is gone, from receivers to the node, then what
    /// is new or has changed, from the node on.
    pub(super) fn next(&mut self, model: &Model) -> Option<Call> {
        self.sent
            .retain(|key, it| it.is_there || model.documents.contains_key(key));
        let mut gone = self.sent.keys().rev();
        if let Some(&(kind, id)) = gone.find(|it| !model.documents.contains_key(it)) {
            return Some(Call::Delete(kind, id));
        }
        let mut all = model.documents.iter();
        let is_new = |(key, document): &(&Key, &_)| {
            let document: &std::sync::Arc<Document> = document;
            self.sent
                .get(key)
                .is_none_or(|it| it.version != document.version)
        };
        let (&(kind, id), document) = all.find(is_new)?;
        Some(Call::Post(kind, id, document.clone()))
    }
}
