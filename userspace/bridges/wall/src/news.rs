//! News for all viewers, made once for all of them.
//!
//! Each message has a number. A viewer's stream is a place in the ring of the last messages: it holds no queue of its own,
//! so that a thousand idle viewers cost their connections. A viewer that comes, or whose place is no longer in the ring,
//! gets everything anew: the whole state is one message, too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use onair_api::SessionId;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::watch;

/// Messages in the ring.
const KEPT: usize = 1024;
/// Events that a new viewer is told.
const EVENTS: usize = 200;

/// The messages. Clones are the same.
#[derive(Clone, Debug)]
pub struct News(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Tells the ids of this process from those of an earlier one.
    epoch: u64,
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    /// Number of the newest message.
    newest: u64,
    messages: VecDeque<Bytes>,
    /// The state, for new viewers.
    daemon: Option<Box<RawValue>>,
    tiles: BTreeMap<SessionId, Box<RawValue>>,
    events: VecDeque<Box<RawValue>>,
}

impl News {
    /// No message yet.
    #[must_use]
    pub fn new(epoch: u64) -> Self {
        Self(Arc::new(Inner {
            epoch,
            ring: Mutex::default(),
            newest: watch::channel(0).0,
        }))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The daemon's own state; nothing if it is the same as before.
    pub fn daemon(&self, state: &impl Serialize) {
        let Some(state) = raw(state) else { return };
        let mut ring = self.ring();
        if ring
            .daemon
            .as_ref()
            .is_some_and(|it| it.get() == state.get())
        {
            return;
        }
        self.publish(&mut ring, "daemon", state.get());
        ring.daemon = Some(state);
    }

    /// Publishes all sessions: those that changed are sent, and those that are gone.
    pub fn tiles(&self, tiles: impl IntoIterator<Item = (SessionId, impl Serialize)>) {
        let tiles = tiles.into_iter();
        let now: BTreeMap<_, _> = tiles.filter_map(|(id, it)| Some((id, raw(&it)?))).collect();
        let mut ring = self.ring();
        let gone: Vec<_> = ring
            .tiles
            .keys()
            .filter(|id| !now.contains_key(id))
            .copied()
            .collect();
        for id in gone {
            ring.tiles.remove(&id);
            self.publish(&mut ring, "gone", &format!("\"{id}\""));
        }
        for (id, tile) in now {
            if ring.tiles.get(&id).is_none_or(|it| it.get() != tile.get()) {
                self.publish(&mut ring, "tile", tile.get());
                ring.tiles.insert(id, tile);
            }
        }
    }

    /// Something happened.
    pub fn event(&self, event: &impl Serialize) {
        let Some(event) = raw(event) else { return };
        let mut ring = self.ring();
        self.publish(&mut ring, "event", event.get());
        ring.events.push_back(event);
        if ring.events.len() > EVENTS {
            ring.events.pop_front();
        }
    }

    fn publish(&self, ring: &mut Ring, kind: &str, data: &str) {
        ring.newest += 1;
        ring.messages
            .push_back(self.message(ring.newest, kind, data));
        if ring.messages.len() > KEPT {
            ring.messages.pop_front();
        }
        self.0.newest.send_replace(ring.newest);
    }

    /// In the form of server-sent events (HTML Standard, section 9.2.6).
    fn message(&self, number: u64, kind: &str, data: &str) -> Bytes {
        let epoch = self.0.epoch;
        Bytes::from(format!(
            "id: {epoch:x}-{number}\nevent: {kind}\ndata: {data}\n\n"
        ))
    }

    /// Where a viewer begins that has had the message `last` (its header `Last-Event-ID`).
    #[must_use]
    pub fn follow(&self, last: Option<&str>) -> Reader {
        let at = last
            .and_then(|it| it.split_once('-'))
            .and_then(|(epoch, number)| {
                let is_ours = u64::from_str_radix(epoch, 16).ok()? == self.0.epoch;
                number.parse().ok().filter(|_| is_ours)
            });
        Reader {
            news: self.clone(),
            newest: self.0.newest.subscribe(),
            at,
        }
    }

    /// The messages after the one with number `at`, and the number of the last.
    fn after(&self, at: Option<u64>) -> (Bytes, u64) {
        let ring = self.ring();
        let behind = at.and_then(|at| usize::try_from(ring.newest.checked_sub(at)?).ok());
        let bytes = match behind.filter(|it| *it <= ring.messages.len()) {
            Some(behind) => {
                let from = ring.messages.len() - behind;
                let parts: Vec<_> = ring.messages.range(from..).map(|it| &it[..]).collect();
                Bytes::from(parts.concat())
            }
            None => {
                let all = Everything {
                    daemon: ring.daemon.as_deref(),
                    tiles: ring.tiles.values().map(|it| &**it).collect(),
                    events: ring.events.iter().map(|it| &**it).collect(),
                };
                let text = serde_json::to_string(&all).unwrap_or_default();
                self.message(ring.newest, "all", &text)
            }
        };
        (bytes, ring.newest)
    }
}

/// The first message to a new viewer.
#[derive(Serialize)]
struct Everything<'a> {
    daemon: Option<&'a RawValue>,
    tiles: Vec<&'a RawValue>,
    events: Vec<&'a RawValue>,
}

fn raw(value: &impl Serialize) -> Option<Box<RawValue>> {
    let value = to_raw_value(value);
    value
        .inspect_err(|error| tracing::error!(%error, "a message is not sent"))
        .ok()
}

/// A viewer's place in the news.
#[derive(Debug)]
pub struct Reader {
    news: News,
    newest: watch::Receiver<u64>,
    at: Option<u64>,
}

impl Reader {
    /// The messages since the last call; waits for one. `None`: there will be none. To drop the wait loses nothing.
    pub async fn next(&mut self) -> Option<Bytes> {
        if let Some(at) = self.at {
            // Also true for a number that was never given: its viewer gets everything.
            self.newest.wait_for(|newest| *newest != at).await.ok()?;
        }
        let (bytes, newest) = self.news.after(self.at);
        self.at = Some(newest);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn read(reader: &mut Reader) -> Option<String> {
        let bytes = reader.next().now_or_never()??;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn viewer_that_comes_then_everything_then_what_changes() {
        let news = News::new(7);
        news.tiles([(SessionId(1), "one"), (SessionId(2), "two")]);
        let mut reader = news.follow(None);
        let first = read(&mut reader).unwrap();
        assert!(
            first.contains("event: all") && first.contains(r#"["one","two"]"#),
            "{first}"
        );
        assert_eq!(read(&mut reader), None);
        news.tiles([(SessionId(1), "one"), (SessionId(3), "three")]);
        let next = read(&mut reader).unwrap();
        assert!(
            next.contains("event: gone\ndata: \"0000000000000002\""),
            "{next}"
        );
        assert!(
            next.contains("event: tile\ndata: \"three\"") && !next.contains("\"one\""),
            "{next}"
        );
    }

    #[test]
    fn viewer_that_comes_back_then_what_it_missed_or_everything() {
        let news = News::new(7);
        news.event(&"a");
        news.event(&"b");
        let missed = read(&mut news.follow(Some("7-1"))).unwrap();
        assert!(
            missed.contains("data: \"b\"") && !missed.contains("\"a\""),
            "{missed}"
        );
        for of_another in ["8-1", "7-99", "x", ""] {
            let all = read(&mut news.follow(Some(of_another))).unwrap();
            assert!(all.contains("event: all"), "{of_another}: {all}");
        }
        for number in 0..KEPT + 1 {
            news.event(&number);
        }
        let all = read(&mut news.follow(Some("7-1"))).unwrap();
        assert!(all.contains("event: all"), "{all}");
    }
}
