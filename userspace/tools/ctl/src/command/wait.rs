//! Waits with a progress line: for a session's users to leave, and for submitted frames.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use onair_api::operations::{DestroySessionWait, FlushSession, Input as _, ListBlockers};
use onair_api::{Certificate, DestroyWait, Flush, Flushed, SessionRef};
use onair_control::{Answer, Client};

use crate::failure::Failure;
use crate::render::{self, Falling};

/// Poll interval of the progress line.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A progress line. Draws nothing unless standard error is a terminal.
pub(crate) fn line() -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg} [{elapsed}]")
            .expect("the template is well formed"),
    );
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Waits at most `wait` until the frames submitted to `session` are sent.
pub(crate) async fn flush(
    client: &Client,
    session: &SessionRef,
    wait: Duration,
) -> Result<Answer<Flushed>, Failure> {
    let deadline_ms = whole_ms(wait);
    let body = Flush { deadline_ms }.sent();
    Ok(client.send::<FlushSession>(session, body, wait).await?)
}

fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

/// Destroys `session` as soon as its last user leaves, within `wait`.
pub(crate) async fn destroy(
    client: &Client,
    session: &SessionRef,
    wait: Duration,
) -> Result<Answer<Certificate>, Failure> {
    let deadline_ms = whole_ms(wait);
    let body = DestroyWait { deadline_ms }.sent();
    let destroyed = client.send::<DestroySessionWait>(session, body, wait);
    let bar = line();
    bar.set_message(format!(
        "waiting for the users of {session}, at most {}",
        render::human(wait)
    ));
    let watching = async {
        let mut users = Falling::default();
        loop {
            // The request reports errors; this loop only feeds the progress line.
            if let Ok(answer) = client.call::<ListBlockers>(session, &()).await
                && let Ok(list) = answer.read()
            {
                users.now(list.blockers.len() as u64);
                bar.set_message(format!(
                    "{users}: {}",
                    render::session::blocker::line(&list)
                ));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let result = tokio::select! {
        result = destroyed => result,
        () = watching, if !bar.is_hidden() => unreachable!("it looks for ever"),
    };
    bar.finish_and_clear();
    Ok(result?)
}
