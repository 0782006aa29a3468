//! HTTP to a registry: one connection, kept while it lasts.

use std::path::PathBuf;

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::Full;
use hyper::Request as Message;
use hyper::body::Bytes;

use super::{BASE, Outcome, Request};
use crate::endpoint::{Endpoint, Sender, dial, exchange, head};

/// Longest answer in bytes: a registry sends a resource back.
const LONGEST: usize = 1 << 20;

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
