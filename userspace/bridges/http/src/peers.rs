//! Shares of the server by address, so that one cannot take all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::turns::Turns;

/// Most connections of one address that wait.
const WAIT: usize = 256;
/// Bytes of the bodies that one address may have in the server at a time.
const BODIES: usize = 8 << 20;
/// Bodies are counted in so many bytes.
const UNIT: usize = 1 << 10;

/// The share of each address. Clones are the same.
#[derive(Clone, Debug)]
pub struct Peers {
    most: usize,
    turns: Turns,
    all: Arc<Mutex<HashMap<IpAddr, Weak<Share>>>>,
}

/// The share of an address: a clone for each connection that waits or is served.
#[derive(Debug)]
struct Share {
    address: IpAddr,
    most: usize,
    places: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    turns: Turns,
    called: Notify,
}

/// A connection of an address, as long as it lives.
#[derive(Debug)]
pub struct Peer {
    share: Arc<Share>,
    _place: Option<OwnedSemaphorePermit>,
}

/// A connection's place in the server, which a WebSocket keeps, and work that outlasts its connection: it is free when the
/// last clone is gone. With a request's body it also has the bytes of that.
#[derive(Clone, Debug)]
pub struct PeerPlace {
    shared: Arc<(Peer, Option<OwnedSemaphorePermit>)>,
    _body: Option<Arc<OwnedSemaphorePermit>>,
}

impl PeerPlace {
    fn share(&self) -> &Arc<Share> {
        &self.shared.0.share
    }

    /// Address of the client.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.share().address
    }

    /// `work` that takes turns with that of other addresses, and keeps this place.
    pub fn taking_turns<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let (own, turns) = (self.clone(), &self.share().turns);
        turns.of(self.address(), async move {
            let _own = own;
            work.await
        })
    }

    /// With so many bytes of a body, once its address may have them.
    pub(crate) async fn with_body(&self, bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).clamp(1, BODIES / UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let bodies = Arc::clone(&self.share().bodies);
        // It is never closed.
        let body = bodies.acquire_many_owned(units).await.ok();
        Self {
            _body: body.map(Arc::new),
            ..self.clone()
        }
    }

    /// When another connection of this address waits.
    pub(crate) async fn wanted(&self) {
        let share = self.share();
        loop {
            let called = share.called.notified();
            if Arc::strong_count(share) > share.most {
                return;
            }
            called.await;
        }
    }
}

impl Share {
    /// A permit of each, once there is one.
    async fn enter(self: Arc<Self>, all: Arc<Semaphore>) -> PeerPlace {
        self.called.notify_waiters();
        // They are never closed.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let all = all.acquire_owned().await.ok();
        let peer = Peer {
            share: self,
            _place: place,
        };
        PeerPlace {
            shared: Arc::new((peer, all)),
            _body: None,
        }
    }
}

impl Peers {
    /// Of which each may have so many connections.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (turns, all) = Default::default();
        Self { most, turns, all }
    }

    fn share(&self, address: IpAddr) -> Arc<Share> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = all.get(&address).and_then(Weak::upgrade) {
            return share;
        }
        all.retain(|_, it| it.strong_count() > 0);
        let share = Arc::new(Share {
            address,
            most: self.most,
            places: Arc::new(Semaphore::new(self.most)),
            bodies: Arc::new(Semaphore::new(BODIES / UNIT)),
            turns: self.turns.clone(),
            called: Notify::new(),
        });
        all.insert(address, Arc::downgrade(&share));
        share
    }

    /// One more of `address`, unless it has all that it may.
    #[must_use]
    pub fn enter(&self, address: IpAddr) -> Option<Peer> {
        let share = self.share(address);
        let place = Arc::clone(&share.places).try_acquire_owned().ok();
        place.map(|it| Peer {
            share,
            _place: Some(it),
        })
    }

    /// A place for a connection of `address` among `all`, once there is one; `None`: too many wait.
    pub(crate) fn place(
        &self,
        address: IpAddr,
        all: &Arc<Semaphore>,
    ) -> Option<impl Future<Output = PeerPlace> + use<>> {
        let share = self.share(address);
        let may_wait = Arc::strong_count(&share) <= self.most + WAIT;
        may_wait.then(|| share.enter(Arc::clone(all)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn address_at_its_share_then_more_wait_and_another_enters() {
        let [one, other] = [1, 2].map(|it| IpAddr::from([10, 0, 0, it]));
        let (peers, all) = (Peers::new(2), Arc::new(Semaphore::new(3)));
        let place = |address| peers.place(address, &all);
        let first = [place(one).unwrap().await, place(one).unwrap().await];
        assert!(peers.enter(one).is_none());
        let mut waiting: Vec<_> = (0..WAIT)
            .map(|_| tokio::spawn(place(one).unwrap()))
            .collect();
        assert!(place(one).is_none());
        tokio::task::yield_now().await;
        first[0].wanted().await;
        drop(place(other).unwrap().await);
        drop(first);
        let next = waiting.remove(0).await.unwrap();
        for it in waiting {
            it.abort();
            drop(it.await);
        }
        drop(next);
        let last = place(other).unwrap().await;
        assert_eq!(peers.all.lock().unwrap().len(), 1, "{last:?}");
    }
}
