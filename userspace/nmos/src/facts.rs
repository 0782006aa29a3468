//! What the daemon says.

use std::sync::Arc;
use std::time::Duration;

use onair_api::SessionView;
use onair_control::{Client, Facts, Following};
use tokio::sync::watch::Receiver;

/// The clock and the links change without an event.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Follows the daemon's sessions of packets: converted and local ones have none.
#[must_use]
pub fn watch(client: Client) -> Receiver<Option<Arc<Facts>>> {
    let following = Following {
        again: LOOK_AGAIN,
        keep: SessionView::has_packets,
        event: |_: &_| (),
    };
    onair_control::watch(client, following)
}
