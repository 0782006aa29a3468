//! Log lines about clients that connect and send no hello, attach to nothing, or are not watched.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use onair_settings::access::peer::Peer;
use onair_settings::diagnostics::rate_limit::{RateLimit, UserLines};

/// Logs them at a limited rate. Clones share the limits.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent {
    closed: Rc<RefCell<RateLimit>>,
    unwatched: UserLines,
}

impl Silent {
    pub(super) fn note_unwatched(&self, peer: &Peer, reason: &str) {
        let (uid, pid) = (peer.who.uid, peer.who.pid);
        if let Some(more) = self.unwatched.note(uid, Instant::now()) {
            tracing::warn!(uid, pid, more, reason, "a client is not watched");
        }
    }

    pub(super) fn note(&self, peer: &Peer, missing: &str) {
        if let Some(more) = self.closed.borrow_mut().note(Instant::now()) {
            let (uid, pid, command) = (peer.who.uid, peer.who.pid, &peer.who.command);
            tracing::warn!(
                uid, pid, %command, more,
                "closed a connection on the attach socket: {missing} arrived in time"
            );
        }
    }
}
