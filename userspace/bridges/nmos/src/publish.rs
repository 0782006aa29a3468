//! Values that others follow.

use tokio::sync::watch;

/// Gives `now` to the readers if it is another value than the last.
pub(crate) fn publish<T: PartialEq>(readers: &watch::Sender<T>, now: T) {
    readers.send_if_modified(|it| {
        let changed = *it != now;
        *it = now;
        changed
    });
}
