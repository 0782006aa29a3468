//! Carries the registration out.

use std::path::PathBuf;
use std::sync::Arc;
use std::{io, thread};

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::Full;
use hyper::Request as Message;
use hyper::body::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{BASE, Machine, Note, Outcome, Request, Step};
use crate::discovery::publish;
use crate::endpoint::{Endpoint, Sender, dial, exchange, head};
use crate::model::Model;
use crate::system::Parameters;

/// Longest answer in bytes: a registry sends a resource back.
const LONGEST: usize = 1 << 20;

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

/// A connection to the registry that was asked last.
#[derive(Debug)]
pub(super) struct Client {
    ca: PathBuf,
    open: Option<(Endpoint, Sender)>,
}

impl Client {
    /// It trusts the authorities in the file `ca`.
    pub(super) const fn new(ca: PathBuf) -> Self {
        Self { ca, open: None }
    }

    /// Sends a request and waits for the outcome, 9 s at most.
    pub(super) async fn send(&mut self, request: &Request) -> Outcome {
        match self.status(request).await {
            Ok(status) => Outcome::Status(status),
            Err(why) => {
                self.open = None;
                Outcome::Failed(why)
            }
        }
    }

    async fn status(&mut self, request: &Request) -> Result<u16, String> {
        let kept = self.open.take();
        let kept = kept.filter(|(registry, it)| *registry == request.registry && !it.is_closed());
        let mut sender = match kept {
            Some((_, sender)) => sender,
            None => dial(&request.registry, &self.ca).await?,
        };
        let (status, body) = exchange(&mut sender, message(request)?, LONGEST).await?;
        if body.is_some() {
            self.open = Some((request.registry.clone(), sender));
        }
        Ok(status)
    }
}

fn message(request: &Request) -> Result<Message<Full<Bytes>>, String> {
    let (registry, call) = (&request.registry, &request.call);
    let path = format!("{BASE}{}", call.path());
    let message = head(registry, call.method(), &path);
    let body = call.body().map(|it| it.to_string());
    let message = match &body {
        Some(_) => message.header(CONTENT_TYPE, "application/json"),
        None => message,
    };
    let body = body.unwrap_or_default();
    // A heartbeat has none, and says so (RFC 9110 §8.6).
    let message = message.header(CONTENT_LENGTH, body.len());
    let body = Full::new(Bytes::from(body));
    message.body(body).map_err(|error| error.to_string())
}
