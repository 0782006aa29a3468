//! Waits with a progress line: for a session's users to leave, and for submitted frames.

use std::time::Duration;

use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use onair_types::{BlockerList, SessionRef};
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::failure::Failure;
use crate::render;
use crate::render::falling::Falling;

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
) -> Result<Answer, Failure> {
    let path = format!("/v1/sessions/{session}/flush");
    let body = body(wait);
    client.send(Method::POST, &path, Some(&body), wait).await
}

fn body(wait: Duration) -> Value {
    json!({"deadline_ms": u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)})
}

/// Destroys `session` as soon as its last user leaves, within `wait`.
pub(crate) async fn destroy(
    client: &Client,
    session: &SessionRef,
    wait: Duration,
) -> Result<Answer, Failure> {
    let path = format!("/v1/sessions/{session}/destroy_wait");
    let body = body(wait);
    let destroyed = client.send(Method::POST, &path, Some(&body), wait);
    let bar = line();
    bar.set_message(format!(
        "waiting for the users of {session}, at most {}",
        render::human(wait)
    ));
    let watching = async {
        let mut users = Falling::default();
        loop {
            // The request reports errors; this loop only feeds the progress line.
            if let Ok(answer) = client
                .get(&format!("/v1/sessions/{session}/blockers"))
                .await
                && let Ok(list) = answer.read::<BlockerList>()
            {
                users.now(list.blockers.len() as u64);
                bar.set_message(format!("{users}: {}", render::blocker::line(&list)));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let result = tokio::select! {
        result = destroyed => result,
        () = watching, if !bar.is_hidden() => unreachable!("it looks for ever"),
    };
    bar.finish_and_clear();
    result
}
