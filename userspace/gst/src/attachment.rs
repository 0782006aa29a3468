//! Attaching to a session, also again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use onair::{AnySession, Client, Contents, Error, Pictured as _, PixelFormat};

use crate::formats::is_direct;

/// Pause between two attempts to attach again.
const PAUSE: Duration = Duration::from_millis(200);

/// Attaches to a session that has `contents`, so that buffers are in `format`: by conversion in the daemon, if they are
/// not so already. A process attaches to a session once, so it does not try first.
pub(crate) fn attach_as(
    client: &Client,
    name: &str,
    (contents, format): (&Contents, Option<PixelFormat>),
) -> Result<Arc<AnySession>, Error> {
    let layout = contents.pictures().zip(format);
    let layout = layout.filter(|(layout, format)| !is_direct(layout, *format));
    let session = client.attach_of(name, layout.map(|(_, format)| format));
    session.map(Arc::new)
}

/// Attaches, by `attach`, as soon as there is a session. `None`: `flushing` came.
pub(crate) fn attach_again(
    attach: impl Fn() -> Result<Arc<AnySession>, Error>,
    flushing: &AtomicBool,
) -> Result<Option<Arc<AnySession>>, Error> {
    while !flushing.load(Ordering::SeqCst) {
        match attach() {
            Ok(session) => return Ok(Some(session)),
            Err(error) if error.may_pass() => std::thread::sleep(PAUSE),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
