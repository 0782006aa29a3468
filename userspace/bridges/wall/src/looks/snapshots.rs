//! Looks at sessions that are not attached to: at what a send session sends. To attach to it is to fill it.
//!
//! The daemon takes a snapshot of the packets. That costs it a copy of each packet of a frame, and a PNG: so the wall asks
//! for one at a time, with a rest after each.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use onair_api::SessionId;
use onair_api::operations::{Input as _, ShowPicture};
use onair_control::{Client, ControlError};

use super::worker::{Encoder, Work};
use super::{Looks, Way};

/// Between two snapshots, and of the time that one took as many times.
const REST: Duration = Duration::from_millis(500);
const RESTS: u32 = 3;
/// Longest wait for a frame, beside that for an answer.
const FRAME: Duration = Duration::from_secs(3);

/// Until the process ends; it waits until a viewer wants something.
pub(super) async fn run(looks: Looks, client: Client, encoder: Encoder) {
    let mut last: HashMap<SessionId, Instant> = HashMap::new();
    loop {
        let wanted: HashMap<_, _> = looks.state().wanted(Way::Snapshot).collect();
        if wanted.is_empty() {
            looks.0.wanted_of_daemon.notified().await;
            continue;
        }
        last.retain(|id, _| wanted.contains_key(id));
        let next = wanted.iter().min_by_key(|(id, _)| last.get(*id).copied());
        let began = Instant::now();
        if let Some((id, wish)) = next {
            last.insert(*id, began);
            match client
                .bytes::<ShowPicture>(&(*id).into(), ().sent(), FRAME)
                .await
            {
                Ok(png) => encoder.encode(*id, Work::Png(png, wish.width)),
                Err(error) => looks.say(*id, &reason(&error)),
            }
        }
        tokio::time::sleep(REST.max(began.elapsed() * RESTS)).await;
    }
}

fn reason(error: &ControlError) -> String {
    match error {
        ControlError::Refused(problem) => format!("No picture: {}.", problem.detail),
        error => format!("No picture: {error}."),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::path::Path;
    use std::pin::pin;

    use super::*;
    use crate::looks::Wish;

    #[tokio::test]
    async fn no_viewer_then_it_sleeps_until_one_looks() {
        let looks = Looks::new();
        let encoder = Encoder::start(looks.clone()).unwrap();
        let client = Client::new(Path::new("/nowhere.sock"), REST);
        let mut run = pin!(run(looks.clone(), client, encoder));
        let turns = Cell::new(0);
        let mut counted = pin!(poll_fn(|context| {
            turns.set(turns.get() + 1);
            run.as_mut().poll(context)
        }));
        let ended = tokio::time::timeout(3 * REST, counted.as_mut()).await;
        // At its beginning, and at the end of this wait.
        assert!(ended.is_err() && turns.get() <= 2, "{turns:?}");
        let id = SessionId(1);
        let wish = Wish::within(320, Duration::from_secs(1));
        looks.want(&[(id, Way::Snapshot)], wish);
        let ended = tokio::time::timeout(3 * REST, counted).await;
        // No daemon answers.
        assert!(ended.is_err() && !looks.after(&[id], 0).is_empty());
    }
}
