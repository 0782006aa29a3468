//! The probe against a real kernel and real processes. Needs root.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in test functions, not in their helpers"
)]

#[path = "../common/mod.rs"]
mod common;

mod calls;
mod counts;
mod files;
mod registration;
mod site_checks;

use std::time::Duration;

use onair_probe::{Events, ProbeEvent};
use rustix::event::{PollFd, PollFlags, poll};

use common::until;

/// Drains until the expected event arrives.
pub(crate) fn event(events: &mut Events, wanted: impl Fn(&ProbeEvent) -> bool) -> ProbeEvent {
    until("an event", || {
        let mut ready = [PollFd::new(events, PollFlags::IN)];
        poll(
            &mut ready,
            Some(&Duration::from_millis(50).try_into().unwrap()),
        )
        .unwrap();
        events.drain().into_iter().find(&wanted)
    })
}
