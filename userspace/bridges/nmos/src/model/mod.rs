//! The resources as they are shown: each with its version.

mod follow;
mod ledger;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use crate::Tai;
use crate::resources::Kind;

pub use follow::follow;
pub use ledger::Ledger;

/// A resource with its version.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its version.
    pub version: Tai,
    /// The resource as JSON.
    pub body: Value,
}

/// The resources at one moment, by kind in the order of registration, then by identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    /// The resources.
    pub documents: BTreeMap<(Kind, Uuid), Arc<Document>>,
    /// The daemon has answered: before that its sessions are not known.
    pub is_known: bool,
}

impl Model {
    /// Those of one kind.
    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Document>> {
        let range = (kind, Uuid::nil())..=(kind, Uuid::max());
        self.documents.range(range).map(|(_, it)| it)
    }
}
