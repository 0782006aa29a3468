//! Places for clients that are being armed and proven: a fixed number per user, so that one user
//! cannot take all of the probe's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use onair_api::{Problem, ProblemCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

type Users = Rc<RefCell<HashMap<u32, Arc<Semaphore>>>>;

/// The places. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    per_uid: u32,
    timeout: Duration,
    users: Users,
}

impl Places {
    /// `per_uid` places for each user; a client that finds none waits for `timeout`.
    pub(super) fn new(per_uid: u32, timeout: Duration) -> Self {
        Self {
            per_uid,
            timeout,
            users: Users::default(),
        }
    }

    /// How long a client waits for a place.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Takes a place of `uid`, in the order of requests.
    pub(super) async fn take(&self, uid: u32) -> Result<TakenPlace, Problem> {
        let most = self.per_uid as usize;
        let of_user = self
            .users
            .borrow_mut()
            .entry(uid)
            .or_insert_with(|| Arc::new(Semaphore::new(most)))
            .clone();
        let mut place = TakenPlace {
            uid,
            users: self.users.clone(),
            permit: None,
        };
        let taken = tokio::time::timeout(self.timeout, of_user.acquire_owned()).await;
        // The semaphore is never closed: no permit means a timeout.
        place.permit = taken.ok().and_then(Result::ok);
        if place.permit.is_some() {
            return Ok(place);
        }
        Err(Problem::new(
            ProblemCode::Overloaded,
            format!(
                "{most} clients of user {uid} are being proven, as many as limits.proving_per_uid \
                 allows, and none was finished within {:?}",
                self.timeout
            ),
        ))
    }
}

/// A taken place. Given back on drop.
#[derive(Debug)]
pub(super) struct TakenPlace {
    uid: u32,
    users: Users,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for TakenPlace {
    fn drop(&mut self) {
        self.permit = None;
        let mut users = self.users.borrow_mut();
        // No other client shares the semaphore, so none waits for it: its entry goes.
        if users
            .get(&self.uid)
            .is_some_and(|of_user| Arc::strong_count(of_user) == 1)
        {
            users.remove(&self.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_all_of_one_user_taken_then_only_that_user_is_refused() {
        let places = Places::new(2, Duration::from_millis(20));
        let one = places.take(1000).await.unwrap();
        let two = places.take(1000).await.unwrap();
        let refused = places.take(1000).await.unwrap_err();
        assert_eq!(refused.code, ProblemCode::Overloaded);
        assert!(
            refused.detail.contains("limits.proving_per_uid"),
            "{refused}"
        );
        drop(places.take(1001).await.unwrap());
        drop(one);
        let again = places.take(1000).await.unwrap();
        drop((two, again));
        assert!(places.users.borrow().is_empty(), "{places:?}");
    }

    #[tokio::test]
    async fn places_one_comes_free_then_whoever_waits_has_it() {
        let places = Places::new(1, Duration::from_secs(600));
        let first = places.take(1).await.unwrap();
        let (second, ()) = tokio::join!(places.take(1), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        drop(second.unwrap());
        assert!(places.users.borrow().is_empty(), "{places:?}");
    }
}
