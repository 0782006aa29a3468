//! Requests that may be sent twice: `Idempotency-Key`.
//!
//! A client whose connection broke does not know whether its request was carried out. With a key of its own
//! it sends the request again, and gets the answer of the first one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use onair_api::operations::{IDEMPOTENCY_KEY, Sent};
use onair_api::{Problem, ProblemCode};

use super::refusal::Refusal;

/// How long an answer is kept.
const KEEP_FOR: Duration = Duration::from_secs(600);
/// Answers kept for one uid; a further one replaces the oldest.
const OF_ONE_UID: usize = 64;
/// Longest key, in bytes.
const LONGEST: usize = 255;

/// The path and the document of the object that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Created {
    pub(super) location: String,
    pub(super) etag: Option<String>,
    pub(super) document: Bytes,
}

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        let value = |text| HeaderValue::try_from(text).expect("hex digits are a header's value");
        headers.insert(header::LOCATION, value(self.location));
        if let Some(etag) = self.etag {
            headers.insert(header::ETAG, value(etag));
        }
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        (StatusCode::CREATED, headers, self.document).into_response()
    }
}

/// A request, to recognise it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) input: Sent,
}

#[derive(Debug)]
struct StoredAnswer {
    asked: Request,
    at: Instant,
    /// `None` until it is carried out.
    created: Option<Created>,
}

/// The answers of one uid, by key.
type OfUid = HashMap<String, StoredAnswer>;

/// The answers to requests with a key. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Replays(Arc<Mutex<HashMap<u32, OfUid>>>);

/// A uid's key of a request.
#[derive(Clone, Debug)]
pub(super) struct Key {
    uid: u32,
    text: String,
}

impl Key {
    /// The request's key, if it has one.
    pub(super) fn of(headers: &HeaderMap, uid: u32) -> Result<Option<Self>, Refusal> {
        let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        let text = value.to_str().unwrap_or_default().to_owned();
        if text.is_empty() || text.len() > LONGEST {
            let detail = format!("{IDEMPOTENCY_KEY}: give 1 to {LONGEST} printable characters");
            return Err(Refusal::new(ProblemCode::InvalidRequest, detail));
        }
        Ok(Some(Self { uid, text }))
    }
}

impl Replays {
    /// The answer to the same request, if it was carried out; else it is to be carried out now, and
    /// [`Self::end`] follows.
    ///
    /// # Errors
    /// The key belongs to another request, or to one that is being carried out.
    pub(super) fn begin(
        &self,
        key: &Key,
        asked: Request,
        now: Instant,
    ) -> Result<Option<Created>, Problem> {
        let mut all = self.lock();
        all.retain(|_, kept| {
            kept.retain(|_, it| {
                it.created.is_none() || now.saturating_duration_since(it.at) < KEEP_FOR
            });
            !kept.is_empty()
        });
        let kept = all.entry(key.uid).or_default();
        if kept.len() >= OF_ONE_UID && !kept.contains_key(&key.text) {
            let ended = kept.iter().filter(|(_, it)| it.created.is_some());
            let oldest = ended
                .min_by_key(|(_, it)| it.at)
                .map(|(key, _)| key.clone());
            let oldest = oldest.ok_or_else(|| {
                let detail =
                    format!("{OF_ONE_UID} requests with keys are being carried out: wait for one");
                Problem::new(ProblemCode::LimitReached, detail)
            })?;
            kept.remove(&oldest);
        }
        match kept.entry(key.text.clone()) {
            Entry::Vacant(place) => {
                place.insert(StoredAnswer {
                    asked,
                    at: now,
                    created: None,
                });
                Ok(None)
            }
            Entry::Occupied(it) if it.get().asked != asked => Err(Problem::new(
                ProblemCode::KeyReused,
                format!(
                    "{IDEMPOTENCY_KEY} {:?} belongs to another request",
                    key.text
                ),
            )),
            Entry::Occupied(it) => it.get().created.clone().map(Some).ok_or_else(|| {
                let detail = "the request with this key is being carried out";
                Problem::new(ProblemCode::InProgress, detail)
            }),
        }
    }

    /// Keeps the answer; a request that failed may be sent again.
    pub(super) fn end(&self, key: &Key, created: Option<&Created>) {
        let mut all = self.lock();
        let Some(kept) = all.get_mut(&key.uid) else {
            return;
        };
        match (created, kept.get_mut(&key.text)) {
            (Some(created), Some(it)) => it.created = Some(created.clone()),
            (None, _) => drop(kept.remove(&key.text)),
            (Some(_), None) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, OfUid>> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(uid: u32, text: &str) -> Key {
        let text = text.to_owned();
        Key { uid, text }
    }

    fn asked(path: &str) -> Request {
        Request {
            path: path.to_owned(),
            input: Sent::Query(Vec::new()),
        }
    }

    fn created(location: &str) -> Created {
        Created {
            location: location.to_owned(),
            etag: None,
            document: Bytes::new(),
        }
    }

    #[test]
    fn same_key_and_request_then_the_first_answer() {
        let (replays, now) = (Replays::default(), Instant::now());
        let (one, other) = (key(1, "k"), key(2, "k"));
        assert_eq!(replays.begin(&one, asked("a"), now), Ok(None));
        let twice = replays.begin(&one, asked("a"), now).unwrap_err();
        assert_eq!(twice.code, ProblemCode::InProgress);
        let first = created("x");
        replays.end(&one, Some(&first));
        assert_eq!(replays.begin(&one, asked("a"), now), Ok(Some(first)));
        let reused = replays.begin(&one, asked("b"), now).unwrap_err();
        assert_eq!(reused.code, ProblemCode::KeyReused);
        assert_eq!(
            replays.begin(&other, asked("b"), now),
            Ok(None),
            "another uid"
        );
        assert_eq!(replays.begin(&one, asked("b"), now + KEEP_FOR), Ok(None));
    }

    #[test]
    fn failed_request_then_its_key_is_free() {
        let (replays, now) = (Replays::default(), Instant::now());
        assert_eq!(replays.begin(&key(1, "k"), asked("a"), now), Ok(None));
        replays.end(&key(1, "k"), None);
        assert_eq!(replays.begin(&key(1, "k"), asked("b"), now), Ok(None));
    }

    #[test]
    fn more_keys_than_kept_then_the_oldest_finished_one_goes() {
        let (replays, now) = (Replays::default(), Instant::now());
        for number in 0..OF_ONE_UID {
            let key = key(1, &number.to_string());
            assert_eq!(replays.begin(&key, asked("a"), now), Ok(None));
        }
        let refused = replays.begin(&key(1, "more"), asked("a"), now);
        assert_eq!(refused.unwrap_err().code, ProblemCode::LimitReached);
        replays.end(&key(1, "7"), Some(&created("x")));
        assert_eq!(replays.begin(&key(1, "more"), asked("a"), now), Ok(None));
        let seven = replays.begin(&key(1, "7"), asked("a"), now);
        assert_eq!(seven.unwrap_err().code, ProblemCode::LimitReached);
    }
}
