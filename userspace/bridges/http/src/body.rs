//! A request with its body, read within limits.

use axum::body::{HttpBody as _, to_bytes};
use axum::extract::Request;
use tokio::time::timeout;

use crate::limits::Limits;
use crate::peers::PeerPlace;

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It did not come in time.
    #[error("the request's body took too long")]
    Late,
    /// It is too large, or the connection broke.
    #[error("the request's body was not read: at most {most} bytes are")]
    Large {
        /// Most bytes.
        most: usize,
        /// The reader's error.
        source: axum::Error,
    },
}

/// The request, with its body read within its limits. Its [`PeerPlace`] has the body's bytes as long as a clone of it lives.
///
/// # Errors
/// [`BodyError`].
pub async fn whole(request: Request, limits: &Limits) -> Result<Request, BodyError> {
    let (mut head, body) = request.into_parts();
    let most = body.size_hint().upper().map_or(limits.body, |it| {
        usize::try_from(it).map_or(limits.body, |it| it.min(limits.body))
    });
    if let Some(place) = head.extensions.get_mut::<PeerPlace>().filter(|_| most > 0) {
        *place = place.with_body(most).await;
    }
    let bytes = timeout(limits.body_time, to_bytes(body, limits.body)).await;
    let bytes = bytes.map_err(|_| BodyError::Late)?;
    let bytes = bytes.map_err(|source| BodyError::Large {
        most: limits.body,
        source,
    })?;
    Ok(Request::from_parts(head, bytes.into()))
}
