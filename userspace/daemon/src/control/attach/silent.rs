//! Clients that connect and say no hello.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use crate::peer::Peer;
use crate::seldom::Seldom;

/// Says in the log that they are closed. Clones write the same line.
#[derive(Clone, Debug, Default)]
pub(super) struct Silent(Rc<RefCell<Seldom>>);

impl Silent {
    pub(super) fn note(&self, peer: &Peer) {
        if let Some(more) = self.0.borrow_mut().note(Instant::now()) {
            let (uid, pid, command) = (peer.who.uid, peer.who.pid, &peer.who.command);
            tracing::warn!(
                uid, pid, %command, more,
                "a client said no hello in time on the attach socket: closed"
            );
        }
    }
}
