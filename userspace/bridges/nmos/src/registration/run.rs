//! Carries the registration out.

use std::path::PathBuf;
use std::sync::Arc;
use std::{io, thread};

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::client::Client;
use super::{Machine, Note, Step};
use crate::endpoint::Endpoint;
use crate::model::Model;
use crate::publish::publish;
use crate::system::Parameters;

/// Inputs of a registration.
#[derive(Debug)]
pub struct Registering {
    /// Id of the node.
    pub node: Uuid,
    /// The model to register.
    pub model: watch::Receiver<Arc<Model>>,
    /// Registries, in the order of their priority.
    pub registries: watch::Receiver<Vec<Endpoint>>,
    /// File with the authorities that sign their certificates.
    pub ca: PathBuf,
    /// The parameters of the plant, once they are known.
    pub system: watch::Receiver<Option<Parameters>>,
    /// True: the registry is to forget the node.
    pub ending: watch::Receiver<bool>,
    /// Gets the registry that has the node.
    pub registered: watch::Sender<Option<Endpoint>>,
}

/// [`run`] on a thread of its own: heartbeats wait for no client of the APIs. Tells when it ends.
///
/// # Errors
/// The kernel's.
pub fn apart(with: Registering) -> io::Result<oneshot::Receiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build()?;
    let (ended, ended_of) = oneshot::channel();
    let own = thread::Builder::new().name("registration".to_owned());
    own.spawn(move || {
        runtime.block_on(run(with));
        let _ = ended.send(());
    })?;
    Ok(ended_of)
}

/// Registers the node and its resources, until it has left.
pub async fn run(mut with: Registering) {
    let mut machine = Machine::new(with.node);
    let mut client = Client::new(with.ca.clone());
    loop {
        if *with.ending.borrow() || with.ending.has_changed().is_err() {
            machine.leave();
        }
        if let Some(system) = *with.system.borrow_and_update() {
            machine.set_heartbeat(Instant::now(), system.heartbeat);
        }
        let (model, registries) = with.inputs();
        match machine.next(Instant::now(), &model, &registries) {
            Step::Send(request) => {
                let outcome = client.send(&request).await;
                let note = machine.answered(Instant::now(), request, outcome);
                note.iter().for_each(log);
                let now = machine.registry().cloned();
                publish(&with.registered, now);
            }
            Step::Wait(until) => with.wait(until).await,
            Step::Done => return,
        }
    }
}

impl Registering {
    fn inputs(&mut self) -> (Arc<Model>, Vec<Endpoint>) {
        let model = self.model.borrow_and_update().clone();
        (model, self.registries.borrow_and_update().clone())
    }

    /// Waits for a change. An input that is gone does not change any more.
    async fn wait(&mut self, until: Option<Instant>) {
        let pause = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pause => {}
            Ok(()) = self.model.changed() => {}
            Ok(()) = self.registries.changed() => {}
            Ok(()) = self.system.changed() => {}
            _ = self.ending.wait_for(|it| *it) => {}
        }
    }
}

fn log(note: &Note) {
    match note {
        Note::Registered(registry) => tracing::info!(%registry, "registered"),
        Note::Lost(registry, why) => tracing::warn!(%registry, why, "the registry failed"),
        Note::Forgotten(registry) => {
            tracing::warn!(%registry, "the registry has forgotten the node: it is registered again");
        }
        Note::Failed(registry, kind, id, status) => {
            let kind = kind.name();
            tracing::warn!(%registry, kind, %id, status, "the registry failed at a resource: it is sent again later");
        }
        Note::Refused(registry, kind, id, status) => {
            let kind = kind.name();
            tracing::warn!(%registry, kind, %id, status, "the registry refused a resource");
        }
    }
}
