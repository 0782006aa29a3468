//! Connections of each address, so that one cannot take all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;

/// How many connections each address has. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// A connection of an address, as long as it lives.
#[derive(Debug)]
pub struct Peer {
    peers: Peers,
    address: IpAddr,
}

/// A connection's place in the server, which a WebSocket keeps: it is free when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Place(Arc<(OwnedSemaphorePermit, Peer)>);

impl Place {
    pub(crate) fn new(place: OwnedSemaphorePermit, peer: Peer) -> Self {
        Self(Arc::new((place, peer)))
    }

    /// Address of the client.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.0.1.address
    }
}

impl Peers {
    fn all(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more of `address`, unless it has `most`.
    pub fn enter(&self, address: IpAddr, most: usize) -> Option<Peer> {
        let mut all = self.all();
        let count = all.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(all);
        let peers = self.clone();
        Some(Peer { peers, address })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut all = self.peers.all();
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
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
