//! A request with its body, read within limits.

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use crate::peers::PeerPlace;
use crate::serve::Limits;

/// The bytes of a body that have to come in [`Limits::body_time`], with which the time begins anew: a body's turns between
/// much other work of its address may take longer than its client needs.
const PART: usize = 64 << 10;

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
    let mut body = Limited::new(body, limits.body);
    let (mut bytes, mut is_whole) = (Vec::new(), false);
    while !is_whole {
        let more = timeout(limits.body_time, part(&mut body, &mut bytes)).await;
        is_whole = more.map_err(|_| BodyError::Late)?.map_err(|source| {
            let most = limits.body;
            BodyError::Large { most, source }
        })?;
    }
    Ok(Request::from_parts(head, bytes.into()))
}

/// Reads a part. Whether it was the last one.
async fn part(body: &mut Limited<Body>, bytes: &mut Vec<u8>) -> Result<bool, axum::Error> {
    let enough = bytes.len() + PART;
    while bytes.len() < enough {
        let Some(frame) = body.frame().await else {
            return Ok(true);
        };
        if let Ok(data) = frame.map_err(axum::Error::new)?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(false)
}
