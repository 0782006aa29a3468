//! Connections of each address, so that one cannot take all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::turns::{Taking, Turns};

/// Bytes of the bodies that one address may have in the server at a time.
const BODIES: usize = 8 << 20;
/// Bodies are counted in so many bytes.
const UNIT: usize = 1 << 10;

/// How many connections each address has. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    all: Mutex<HashMap<IpAddr, Share>>,
    freed: Notify,
}

/// What an address has.
#[derive(Debug)]
struct Share {
    count: usize,
    /// Connections that wait for their share.
    waiting: watch::Sender<usize>,
    bodies: Arc<Semaphore>,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            count: 0,
            waiting: watch::Sender::new(0),
            bodies: Arc::new(Semaphore::new(BODIES / UNIT)),
        }
    }
}

/// A connection of an address, as long as it lives.
#[derive(Debug)]
pub struct Peer {
    peers: Peers,
    address: IpAddr,
    waiting: watch::Receiver<usize>,
    bodies: Arc<Semaphore>,
}

/// A connection's place in the server, which a WebSocket keeps, and work that outlasts its connection: it is free when the
/// last clone is gone. With a request's body it also has the bytes of that.
#[derive(Clone, Debug)]
pub struct Place {
    shared: Arc<(OwnedSemaphorePermit, Peer, Turns)>,
    _body: Option<Arc<OwnedSemaphorePermit>>,
}

impl Place {
    pub(crate) fn new(place: OwnedSemaphorePermit, peer: Peer, turns: Turns) -> Self {
        Self {
            shared: Arc::new((place, peer, turns)),
            _body: None,
        }
    }

    /// Address of the client.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.shared.1.address
    }

    /// `work` that takes turns with that of other addresses, and keeps this place.
    pub fn taking_turns<F: Future>(
        &self,
        work: F,
    ) -> Taking<impl Future<Output = F::Output> + use<F>> {
        let own = self.clone();
        self.shared.2.of(self.address(), async move {
            let _own = own;
            work.await
        })
    }

    /// With so many bytes of a body, once its address may have them.
    pub(crate) async fn with_body(&self, bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).clamp(1, BODIES / UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let bodies = Arc::clone(&self.shared.1.bodies);
        // It is never closed.
        let body = bodies.acquire_many_owned(units).await.ok();
        Self {
            _body: body.map(Arc::new),
            ..self.clone()
        }
    }

    /// When another connection of this address waits for its share.
    pub(crate) fn wanted(&self) -> impl Future<Output = ()> + use<> {
        let mut waiting = self.shared.1.waiting.clone();
        async move {
            if waiting.wait_for(|it| *it > 0).await.is_err() {
                std::future::pending().await
            }
        }
    }
}

impl Peers {
    fn all(&self) -> MutexGuard<'_, HashMap<IpAddr, Share>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more of `address`, unless it has `most`.
    pub fn enter(&self, address: IpAddr, most: usize) -> Option<Peer> {
        let mut all = self.all();
        if all.get(&address).is_some_and(|it| it.count >= most) || most == 0 {
            return None;
        }
        let share = all.entry(address).or_default();
        share.count += 1;
        let (waiting, bodies) = (share.waiting.subscribe(), Arc::clone(&share.bodies));
        drop(all);
        Some(Peer {
            peers: self.clone(),
            address,
            waiting,
            bodies,
        })
    }

    /// How many connections of an address wait.
    pub(crate) fn set_waiting(&self, address: IpAddr, count: usize) {
        if let Some(share) = self.all().get(&address) {
            share.waiting.send_replace(count);
        }
    }

    /// Waits until a connection has left since the last call.
    pub(crate) async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut all = self.peers.all();
        if let Some(share) = all.get_mut(&self.address) {
            share.count -= 1;
            if share.count == 0 {
                all.remove(&self.address);
            }
        }
        drop(all);
        self.peers.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_with_its_share_then_others_still_enter() {
        let (peers, one, other) = (Peers::default(), [10, 0, 0, 1], [10, 0, 0, 2]);
        let enter = |address: [u8; 4]| peers.enter(address.into(), 2);
        let first = [enter(one).unwrap(), enter(one).unwrap()];
        assert!(enter(one).is_none());
        assert!(enter(other).is_some());
        drop(first);
        assert!(peers.all().is_empty());
        assert!(enter(one).is_some());
    }
}
