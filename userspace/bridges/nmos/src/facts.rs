//! The daemon's facts.

use std::sync::Arc;
use std::time::Duration;

use onair_api::Direction;
use onair_control::{Client, Facts, Following};
use tokio::sync::watch::Receiver;

/// The clock and the links change without an event.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Follows the daemon's sessions but for the converted ones. Local ones have no packets: they can be receivers of MXL.
#[must_use]
pub fn watch(client: Client) -> Receiver<Option<Arc<Facts>>> {
    let following = Following {
        again: LOOK_AGAIN,
        keep: |it| it.has_packets() || it.direction == Direction::Local,
        event: |_: &_| (),
    };
    onair_control::watch(client, following)
}
