//! Attaching to a session, also again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use onair::{AnySession, Client, Contents, Error, Pictured as _, PixelFormat};

use crate::formats::is_direct;

/// Codes of a refusal of the layout, not of the session.
const NO_LAYOUT: [&str; 2] = ["not_converted", "invalid_spec"];
/// Pause between two attempts to attach again.
const PAUSE: Duration = Duration::from_millis(200);
/// While no daemon listens: an attempt costs no other process anything.
const PAUSE_WITHOUT_DAEMON: Duration = Duration::from_millis(20);

/// Attaches to a session that has `contents`, for buffers in `format`: to the converted session that has them, if there is
/// one. Else the buffers are the session's own, and the element converts.
pub(crate) fn attach_as(
    client: &Client,
    name: &str,
    (contents, format): (&Contents, Option<PixelFormat>),
) -> Result<Arc<AnySession>, Error> {
    let layout = contents.pictures().zip(format);
    let layout = layout.filter(|(layout, format)| !is_direct(layout, *format));
    let session = match client.attach_of(name, layout.map(|(_, format)| format)) {
        Err(Error::Refused { code, .. }) if NO_LAYOUT.contains(&code.as_str()) => {
            client.attach_of(name, None)
        }
        session => session,
    };
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
            Err(error) if error.may_pass() => std::thread::sleep(pause_after(&error)),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

const fn pause_after(error: &Error) -> Duration {
    match error {
        Error::NoDaemon { .. } => PAUSE_WITHOUT_DAEMON,
        _ => PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_daemon_then_tried_again_sooner_than_after_a_refusal() {
        let no_daemon = Error::NoDaemon {
            path: "attach.sock".into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        assert_eq!(pause_after(&no_daemon), PAUSE_WITHOUT_DAEMON);
        assert_eq!(pause_after(&Error::Stale), PAUSE);
    }
}
