//! A registry's copy of the model.

use std::collections::BTreeMap;

use tokio::time::Instant;
use uuid::Uuid;

use super::Call;
use crate::Tai;
use crate::endpoint::pause;
use crate::model::{Document, Model};
use crate::resources::Kind;

type Key = (Kind, Uuid);

/// The resources that a registry was sent, with the version of each that it took or refused last.
#[derive(Debug, Default)]
pub struct Known {
    sent: BTreeMap<Key, Sent>,
}

#[derive(Debug, Default)]
struct Sent {
    /// `None`: it is to be sent.
    version: Option<Tai>,
    /// It took this version or an earlier one, or may have.
    is_there: bool,
    /// It refused this version.
    is_refused: bool,
    /// How often in a row it failed, and when it is asked again.
    failures: u32,
    not_before: Option<Instant>,
}

impl Sent {
    fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|it| it <= now)
    }
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
            version: Some(document.version),
            is_there: true,
            ..Sent::default()
        };
        let last = self.sent.insert(key, sent);
        if last.is_some_and(|it| it.failures > 0) {
            // It may have refused others for this one, to which they refer.
            let refused = self.sent.values_mut().filter(|it| it.is_refused);
            refused.for_each(|it| it.version = None);
        }
    }

    /// The registry failed at this one: it is asked again after a pause. True if it is the first time in a row.
    pub(super) fn failed(&mut self, key: Key, now: Instant) -> bool {
        let sent = self.sent.entry(key).or_default();
        sent.not_before = Some(now + pause(sent.failures));
        sent.failures += 1;
        sent.is_there = true;
        sent.failures == 1
    }

    /// When the next one that failed is asked again.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let all = self.sent.values().filter_map(|it| it.not_before);
        all.filter(|it| *it > now).min()
    }

    /// The registry refused this version. It stays as it is until it changes.
    pub(super) fn refused(&mut self, key: Key, document: &Document) {
        let sent = Sent {
            version: Some(document.version),
            is_there: self.sent.get(&key).is_some_and(|it| it.is_there),
            is_refused: true,
            ..Sent::default()
        };
        self.sent.insert(key, sent);
    }

    /// The registry does not have it.
    pub(super) fn forgot(&mut self, key: Key) {
        self.sent.remove(&key);
    }

    /// The next request that brings the registry nearer to the model: what is gone, from receivers to the node, then what
    /// is new or has changed, from the node on. Those that failed wait until they are due.
    pub(super) fn next(&mut self, model: &Model, now: Instant) -> Option<Call> {
        self.sent
            .retain(|key, it| it.is_there || model.documents.contains_key(key));
        let mut sent = self.sent.iter().rev();
        let gone = sent.find(|(key, it)| it.is_due(now) && !model.documents.contains_key(key));
        if let Some((&(kind, id), _)) = gone {
            return Some(Call::Delete(kind, id));
        }
        let mut all = model.documents.iter();
        let is_new = |(key, document): &(&Key, &_)| {
            let document: &std::sync::Arc<Document> = document;
            self.sent
                .get(key)
                .is_none_or(|it| it.is_due(now) && it.version != Some(document.version))
        };
        let (&(kind, id), document) = all.find(is_new)?;
        Some(Call::Post(kind, id, document.clone()))
    }
}
