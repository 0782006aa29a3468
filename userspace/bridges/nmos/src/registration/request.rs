//! Requests to a registry, and what came of them.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::endpoint::Endpoint;
use crate::model::Document;
use crate::resources::Kind;

/// Where resources are registered: version 1.3 of the Registration API.
pub const BASE: &str = "/x-nmos/registration/v1.3";

/// A request to a registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// To whom.
    pub registry: Endpoint,
    /// What.
    pub call: Call,
}

/// A request to a registry.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// To keep the node with this id.
    Heartbeat(Uuid),
    /// To take a resource.
    Post(Kind, Uuid, Arc<Document>),
    /// To forget one.
    Delete(Kind, Uuid),
}

impl Call {
    /// Method of HTTP.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Heartbeat(_) | Self::Post(..) => "POST",
            Self::Delete(..) => "DELETE",
        }
    }

    /// Path below [`BASE`].
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Heartbeat(id) => format!("/health/nodes/{id}"),
            Self::Post(..) => "/resource".to_owned(),
            Self::Delete(kind, id) => format!("/resource/{}/{id}", kind.plural()),
        }
    }

    /// Body, if it has one.
    #[must_use]
    pub fn body(&self) -> Option<Value> {
        match self {
            Self::Post(kind, _, document) => {
                Some(json!({"type": kind.name(), "data": document.body}))
            }
            _ => None,
        }
    }
}

/// Result of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The registry answered with this status of HTTP.
    Status(u16),
    /// It did not, in its time.
    Failed(String),
}
