//! Attaching to a session, also again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use onair::{Client, Error, Layout, PixelFormat, Session};

use crate::formats::is_direct;

/// Pause between two attempts to attach again.
const PAUSE: Duration = Duration::from_millis(200);

/// Attaches to a session that has `layout`, so that buffers are in `format`: by conversion in the daemon, if they are
/// not so already. A process attaches to a session once, so it does not try first.
pub(crate) fn attach_as(
    client: &Client,
    name: &str,
    (layout, format): (&Layout, PixelFormat),
) -> Result<Arc<Session>, Error> {
    let session = match is_direct(layout, format) {
        true => client.attach(name),
        false => client.attach_as(name, format),
    };
    session.map(Arc::new)
}

/// Attaches, by `attach`, as soon as there is a session. `None`: `flushing` came.
pub(crate) fn attach_again(
    attach: impl Fn() -> Result<Arc<Session>, Error>,
    flushing: &AtomicBool,
) -> Result<Option<Arc<Session>>, Error> {
    while !flushing.load(Ordering::SeqCst) {
        match attach() {
            Ok(session) => return Ok(Some(session)),
            Err(error) if error.may_pass() => std::thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
