//! What these tests share: documents of a daemon, schemas, and a site to ask.

pub(crate) mod controller;
pub(crate) mod dns;
pub(crate) mod facts;
pub(crate) mod http;
pub(crate) mod registry;
pub(crate) mod schemas;
pub(crate) mod site;
pub(crate) mod tls;
