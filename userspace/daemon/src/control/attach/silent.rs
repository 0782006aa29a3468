//! Clients that connect and send no hello, or attach to nothing.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use crate::access::peer::Peer;
use crate::diagnostics::rate_limit::RateLimit;

/// Logs that they are closed, at a limited rate. Clones share the limit.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent(Rc<RefCell<RateLimit>>);

impl Silent {
    pub(super) fn note(&self, peer: &Peer, missing: &str) {
        if let Some(more) = self.0.borrow_mut().note(Instant::now()) {
            let (uid, pid, command) = (peer.who.uid, peer.who.pid, &peer.who.command);
            tracing::warn!(
                uid, pid, %command, more,
                "closed a connection on the attach socket: {missing} arrived in time"
            );
        }
    }
}
