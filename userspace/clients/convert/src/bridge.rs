//! The frames of one session, converted into those of another one.
//!
//! A frame is read where the source's is loaned, and written where the readers of the converted session get it: there is
//! no other copy. Neither session waits: a frame that has no place is left out, which the daemon sees by the numbers.

use std::os::fd::OwnedFd;

use onair::{Client, Error, PixelFormat, Session, Timeout};

/// How often a thread looks whether the other session has ended.
const LOOK: Timeout = Timeout::millis(100);

/// Converts until one of the sessions has ended.
///
/// # Errors
/// Why it cannot.
pub(crate) fn bridge(source: OwnedFd, target: OwnedFd) -> Result<(), String> {
    let target = Client::attach_over(target, true).map_err(|error| error.to_string())?;
    let source = Client::attach_over(source, false).map_err(|error| error.to_string())?;
    let Some(layout) = target.layout().pixel_format else {
        return Err(format!(
            "{} has no layout: install all of one release",
            target.name()
        ));
    };
    loop {
        match step(&source, &target, layout) {
            Ok(()) => {}
            Err(Step::Ended) => return Ok(()),
            Err(Step::Failed(error)) => return Err(format!("{}: {error}", target.name())),
        }
    }
}

/// Why no next step follows.
enum Step {
    /// One of the sessions has ended, or has evicted this process.
    Ended,
    /// It cannot convert.
    Failed(String),
}

/// Waits for both sessions to run, then converts one frame, if one comes.
fn step(source: &Session, target: &Session, layout: PixelFormat) -> Result<(), Step> {
    if target.is_stopped() {
        // A frame of before its start would come too late.
        passing(target.wait_started(LOOK))?;
        while passing(source.buffer_get(Timeout::millis(0)))?.is_some() {}
        return Ok(());
    }
    if source.is_stopped() {
        passing(target.wait_started(Timeout::millis(0)))?;
        passing(source.wait_started(LOOK))?;
        return Ok(());
    }
    let Some(from) = passing(source.buffer_get(LOOK))? else {
        // The other one may have ended meanwhile.
        return passing(target.wait_started(Timeout::millis(0))).map(drop);
    };
    let Some(mut into) = passing(target.buffer_get_mut(LOOK))? else {
        return Ok(());
    };
    from.unpack(layout, &mut into)
        .map_err(|error| Step::Failed(error.to_string()))?;
    passing(into.submit_made_of(&from)).map(drop)
}

/// `None`: there was none in time, or the session has stopped.
fn passing<T>(result: Result<T, Error>) -> Result<Option<T>, Step> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::TimedOut | Error::Stopped) => Ok(None),
        Err(Error::Stale | Error::Disconnected) => Err(Step::Ended),
        Err(error) => Err(Step::Failed(error.to_string())),
    }
}
