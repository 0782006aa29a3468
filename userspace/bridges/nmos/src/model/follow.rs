//! Keeps the model up to date.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Ledger, Model};
use crate::resources::resources;
use crate::{Inputs, Tai};

/// Follows the inputs: the newest model. Ends with an input or with the last reader.
#[must_use]
pub fn follow(mut inputs: Inputs) -> watch::Receiver<Arc<Model>> {
    let mut ledger = Ledger::default();
    renew(&mut inputs, &mut ledger);
    let known = inputs.facts.borrow().is_some();
    let (sender, receiver) = watch::channel(Arc::new(ledger.model(known)));
    tokio::spawn(async move {
        loop {
            let more = tokio::select! {
                it = inputs.changed() => it,
                () = sender.closed() => break,
            };
            if more.is_err() {
                break;
            }
            let changed = renew(&mut inputs, &mut ledger);
            let known = inputs.facts.borrow().is_some();
            if changed || known != sender.borrow().is_known {
                sender.send_replace(Arc::new(ledger.model(known)));
            }
        }
    });
    receiver
}

fn renew(from: &mut Inputs, ledger: &mut Ledger) -> bool {
    let facts = from.facts.borrow_and_update().clone();
    let now = Tai::now(facts.as_deref());
    let subscriptions = from.subscriptions.borrow_and_update();
    let mxl = from.mxl.as_mut();
    let mxl = mxl.map(|it| it.borrow_and_update().clone());
    let connected = (&*subscriptions, mxl.as_deref());
    let resources = resources(facts.as_deref(), connected, &from.ids, &from.host);
    ledger.update(resources, now)
}
