//! HTTP/1.1 over the control socket: one connection a request.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use onair_api::Problem;
use onair_api::operations::{self, ApiOperation, EventQuery, FollowEvents, Input, Sent, Shape};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::error::ControlError;
use crate::socket::reach;
use crate::stream::Stream;

/// A client of the control socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    /// The socket in errors.
    place: PathBuf,
    timeout: Duration,
    places: Option<Arc<Semaphore>>,
}

impl Client {
    /// Of the daemon that listens on `socket` and answers within `timeout`.
    #[must_use]
    pub fn new(socket: &Path, timeout: Duration) -> Self {
        Self {
            socket: socket.to_owned(),
            place: socket.to_owned(),
            timeout,
            places: None,
        }
    }

    /// Errors call the socket so: it leads to another one, on another host.
    #[must_use]
    pub fn named(self, place: impl Into<PathBuf>) -> Self {
        let place = place.into();
        Self { place, ..self }
    }

    /// The socket that it connects to.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// With at most so many requests at once, of all its clones together: the daemon refuses a process that has more
    /// connections than its share. Others wait for a place; that is no part of their time-out.
    #[must_use]
    pub fn at_once(self, most: usize) -> Self {
        let places = Some(Arc::new(Semaphore::new(most)));
        Self { places, ..self }
    }

    /// Requests an operation on `target`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn call<O: ApiOperation>(
        &self,
        target: &O::Target,
        input: &O::Input,
    ) -> Result<Answer<O::Document>, ControlError> {
        self.send::<O>(target, input.sent(), Duration::ZERO).await
    }

    /// Requests an operation that may take `extra` longer than others. The daemon checks `input`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn send<O: ApiOperation>(
        &self,
        target: &O::Target,
        input: Sent,
        extra: Duration,
    ) -> Result<Answer<O::Document>, ControlError> {
        let whole = self.whole::<O>(target, input, extra).await?;
        if O::ENTRY.shape == Shape::Text && whole.status.is_success() {
            let text = String::from_utf8_lossy(&whole.bytes).into_owned();
            return Ok(Answer::new(Value::String(text)));
        }
        Ok(Answer::new(whole.understand()?))
    }

    /// Requests an operation that answers with bytes, and may take `extra` longer than others.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn bytes<O: ApiOperation>(
        &self,
        target: &O::Target,
        input: Sent,
        extra: Duration,
    ) -> Result<Bytes, ControlError> {
        let whole = self.whole::<O>(target, input, extra).await?;
        if whole.status.is_success() {
            return Ok(whole.bytes);
        }
        whole.understand()?;
        Err(ControlError::Alien(format!(
            "HTTP {} and no bytes",
            whole.status
        )))
    }

    async fn whole<O: ApiOperation>(
        &self,
        target: &O::Target,
        input: Sent,
        extra: Duration,
    ) -> Result<Whole, ControlError> {
        let timeout = self.timeout.saturating_add(extra);
        let _place = match &self.places {
            // It is never closed.
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        let exchange = async {
            let response = self.request::<O>(target, input, HeaderMap::new()).await?;
            self.read(response).await
        };
        let answer = tokio::time::timeout(timeout, exchange).await;
        answer.unwrap_or_else(|_| Err(self.no_answer(timeout)))
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Whole, ControlError> {
        let (status, is_problem) = (response.status(), is_problem(&response));
        let body = response.into_body().collect().await;
        let bytes = body.map_err(|error| self.broken(error))?.to_bytes();
        Ok(Whole {
            status,
            is_problem,
            bytes,
        })
    }

    /// Follows the server-sent events, starting after the event `after`.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn follow(
        &self,
        query: &EventQuery,
        after: Option<&str>,
    ) -> Result<Stream, ControlError> {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            let id = HeaderValue::from_str(after);
            let id = id.map_err(|_| ControlError::EventId(after.to_owned()))?;
            headers.insert("last-event-id", id);
        }
        let head = self.request::<FollowEvents>(&(), query.sent(), headers);
        let response = tokio::time::timeout(self.timeout, head).await;
        let response = response.map_err(|_| self.no_answer(self.timeout))??;
        let (status, is_problem) = (response.status(), is_problem(&response));
        if status == StatusCode::OK && !is_problem {
            return Ok(Stream::new(self.place.clone(), response.into_body()));
        }
        match self.read(response).await?.understand() {
            Err(failure) => Err(failure),
            Ok(_) => Err(ControlError::Alien(format!("HTTP {status} and no events"))),
        }
    }

    fn broken(&self, error: hyper::Error) -> ControlError {
        ControlError::Broken {
            socket: self.place.clone(),
            error,
        }
    }

    fn no_answer(&self, timeout: Duration) -> ControlError {
        ControlError::NoAnswer {
            socket: self.place.clone(),
            timeout,
        }
    }

    async fn request<O: ApiOperation>(
        &self,
        target: &O::Target,
        input: Sent,
        headers: HeaderMap,
    ) -> Result<Response<Incoming>, ControlError> {
        let method = match O::ENTRY.method {
            operations::Method::Get => Method::GET,
            operations::Method::Post => Method::POST,
            operations::Method::Patch => Method::PATCH,
            operations::Method::Delete => Method::DELETE,
        };
        let (body, query) = input.parts();
        let broken = |error| self.broken(error);
        let reached = reach(&self.socket, self.timeout).await;
        let reached = reached.map_err(|error| ControlError::Unreachable {
            socket: self.place.clone(),
            error,
        })?;
        let stream = reached.ok_or_else(|| self.no_answer(self.timeout))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // This task drives the exchange and ends with it. The request also returns its error.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(O::path(target) + &query)
            .header(header::HOST, "localhost")
            .header(header::CONNECTION, "close");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|it| it.to_string()).unwrap_or_default();
        let request = request
            .body(Full::new(Bytes::from(body)))
            .expect("paths are made of fixed words, ids and names");
        let (mut head, body) = request.into_parts();
        head.headers.extend(headers);
        let request = Request::from_parts(head, body);
        sender.send_request(request).await.map_err(broken)
    }
}

fn is_problem(response: &Response<Incoming>) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes() == Problem::MEDIA_TYPE.as_bytes())
}

/// An answer of HTTP, read to its end.
struct Whole {
    status: StatusCode,
    is_problem: bool,
    bytes: Bytes,
}

impl Whole {
    /// The document, or the problem.
    fn understand(&self) -> Result<Value, ControlError> {
        let status = self.status;
        let alien =
            |error: &dyn std::fmt::Display| ControlError::Alien(format!("HTTP {status}: {error}"));
        if self.is_problem {
            let problem = serde_json::from_slice(&self.bytes).map_err(|e| alien(&e))?;
            return Err(ControlError::Refused(problem));
        }
        // Health of a daemon that is not ready is 503 with a document.
        if !status.is_success() && status != StatusCode::SERVICE_UNAVAILABLE {
            return Err(alien(&"an error without a problem document"));
        }
        serde_json::from_slice(&self.bytes).map_err(|e| alien(&e))
    }
}

/// A document of type `T`. It keeps its field order and the fields that this program does not know.
#[derive(Debug)]
pub struct Answer<T> {
    /// The document as it came.
    pub value: Value,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Answer<T> {
    /// This document.
    #[must_use]
    pub const fn new(value: Value) -> Self {
        let kind = PhantomData;
        Self { value, kind }
    }

    /// The document, as the type that this program knows.
    ///
    /// # Errors
    /// [`ControlError::Alien`]: it is of another shape.
    pub fn read(&self) -> Result<T, ControlError> {
        T::deserialize(&self.value).map_err(|error| ControlError::Alien(error.to_string()))
    }
}
