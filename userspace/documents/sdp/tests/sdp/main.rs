//! Descriptions as plants have them, and as this crate writes them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod ancillary;
mod compressed;
mod corpus;
mod faults;
mod field;
mod formats;
mod kinds;
mod properties;
mod rates;
mod samples;
