//! The pollers.

use comfy_table::{Cell, Color};
use onair_api::{PollerHealth, PollerState};

use crate::render::{cell, coloured, columns};

/// A line for each.
pub(crate) fn pollers(pollers: &[PollerHealth]) -> String {
    columns(
        pollers,
        &[
            ("POLLER", |poller| cell(&poller.name)),
            ("CORE", |poller| cell(poller.core)),
            ("IDLE", |poller| cell(&poller.idle)),
            ("STATE", state),
            ("SESSIONS", |poller| cell(poller.sessions)),
        ],
    )
}

/// `stalled since 2026-01-01T00:00:00Z`.
fn state(poller: &PollerHealth) -> Cell {
    let colour = match poller.state {
        PollerState::Works => Color::Green,
        PollerState::Stalled | PollerState::Died => Color::Red,
    };
    match poller.since {
        Some(since) => coloured(format!("{} since {since}", poller.state), colour),
        None => coloured(poller.state, colour),
    }
}
