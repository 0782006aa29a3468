//! When the end of a session is on disk.

use std::sync::{Arc, Mutex, PoisonError};

use onair_api::{SessionId, SessionName};
use onair_mutant::mutant;

use crate::certificates::Archive;
use crate::sessions::Store;

/// Calls `then` once everything that the answer to the end of a session promises is on disk: its
/// certificate, and that its file is gone; with false as soon as one of them cannot be. A writer that
/// dies drops `then`.
pub fn when_durable<A, S>(
    archive: &Archive<A>,
    store: &Store<S>,
    session: SessionId,
    name: &SessionName,
    then: impl FnOnce(bool) + Send + 'static,
) {
    if mutant!("certificate: answered before it is on disk") {
        return then(true);
    }
    // Those that are still to come.
    let both = Arc::new(Mutex::new((2, Some(then))));
    let one = || {
        let both = Arc::clone(&both);
        move |result: Result<(), _>| {
            // No code panics while it holds the lock.
            let mut both = both.lock().unwrap_or_else(PoisonError::into_inner);
            both.0 -= 1;
            let is_known = result.is_err() || both.0 == 0;
            if let Some(then) = both.1.take_if(|_| is_known) {
                then(result.is_ok());
            }
        }
    };
    archive.written(session, one());
    store.written(name, one());
}
