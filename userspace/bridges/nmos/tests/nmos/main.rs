//! The APIs and the registration of `onair-nmos` from outside, against the schemas of the specifications.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod control;
mod device;
mod discovery;
mod monitoring;
mod mxl;
mod node_api;
mod process;
mod registration;
mod resources;
mod support;
mod system;
mod tls;
