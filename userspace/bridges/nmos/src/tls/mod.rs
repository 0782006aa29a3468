//! The client's side of TLS: it trusts the authorities of one file.

mod client;

pub(crate) use client::connect;
