//! Keeps the model up to date.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Ledger, Model};
use crate::connection::Subscriptions;
use crate::resources::{Host, resources};
use crate::{Facts, Ids, Tai};

/// What the model is made of.
#[derive(Debug)]
pub struct Inputs {
    /// What the daemon says.
    pub facts: watch::Receiver<Option<Arc<Facts>>>,
    /// What controllers have connected.
    pub subscriptions: watch::Receiver<Subscriptions>,
    /// Identities.
    pub ids: Ids,
    /// This machine.
    pub host: Host,
}

/// Follows the inputs: the newest model. Ends with an input or with the last reader.
#[must_use]
pub fn follow(mut inputs: Inputs) -> watch::Receiver<Arc<Model>> {
    let mut ledger = Ledger::default();
    inputs.renew(&mut ledger);
    let known = inputs.facts.borrow().is_some();
    let (sender, receiver) = watch::channel(Arc::new(ledger.model(known)));
    tokio::spawn(async move {
        loop {
            let more = tokio::select! {
                it = inputs.facts.changed() => it,
                it = inputs.subscriptions.changed() => it,
                () = sender.closed() => break,
            };
            if more.is_err() {
                break;
            }
            let changed = inputs.renew(&mut ledger);
            let known = inputs.facts.borrow().is_some();
            if changed || known != sender.borrow().is_known {
                sender.send_replace(Arc::new(ledger.model(known)));
            }
        }
    });
    receiver
}

impl Inputs {
    fn renew(&mut self, ledger: &mut Ledger) -> bool {
        let facts = self.facts.borrow_and_update().clone();
        let now = Tai::now(facts.as_deref());
        let subscriptions = self.subscriptions.borrow_and_update();
        let resources = resources(facts.as_deref(), &subscriptions, &self.ids, &self.host);
        ledger.update(resources, now)
    }
}
