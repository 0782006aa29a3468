//! A request that is parsed and permitted.

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{HeaderMap, header};
use onair_api::ProblemCode;
use onair_api::operations::{ApiOperation, Input, Method, OperationEntry, Target};
use onair_engine::inputs::{Action, Asked};
use onair_settings::access::authority::Caller;
use onair_settings::access::peer::Peer;

use super::body;
use crate::control::http::api::Api;
use crate::control::http::refusal::Refusal;
use crate::shutdown::ActiveOperationGuard;

/// A request for one operation: parsed, checked, and its requester has the right. Whether the right
/// covers the session is checked by the actor.
pub(crate) struct Admitted<O: ApiOperation> {
    pub(crate) caller: Caller,
    pub(crate) target: O::Target,
    pub(crate) input: O::Input,
    /// The shutdown waits for operations that it would refuse.
    _operation: Option<ActiveOperationGuard>,
}

impl<O: ApiOperation> FromRequest<Api> for Admitted<O> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        let (mut parts, content) = request.into_parts();
        let values = Path::<Vec<String>>::from_request_parts(&mut parts, api).await;
        let Path(values) = values.map_err(|e| invalid(e.body_text()))?;
        let target = O::Target::parse(&values)?;
        let body = if O::Input::IS_BODY {
            Some(body::document(&parts.headers, content, &api.limits).await?)
        } else {
            if O::ENTRY.checks_body {
                body::none(&parts.headers, content, &api.limits).await?;
            }
            None
        };
        let peer = parts.extensions.get::<Peer>();
        let peer = peer.expect("each connection adds its peer to its requests");
        let mut caller = api.authority.admit(peer, O::ENTRY.access)?;
        caller.if_match = if_match(&parts.headers, &O::ENTRY)?;
        let operation = O::ENTRY.refused_in_shutdown;
        let operation = operation.then(|| api.shutdown.begin_operation());
        let _operation = operation.transpose()?;
        let document = match body {
            Some(body) => body,
            None => {
                let query = Query::try_from_uri(&parts.uri);
                query.map_err(|e| invalid(e.body_text()))?.0
            }
        };
        Ok(Self {
            caller,
            target,
            input: O::Input::accept(document)?,
            _operation,
        })
    }
}

fn invalid(detail: String) -> Refusal {
    Refusal::new(ProblemCode::InvalidRequest, detail)
}

impl<O: ApiOperation> Admitted<O> {
    /// Asks the actor for this operation, or for another one of which it is a second name.
    pub(crate) async fn ask<A>(self, api: &Api) -> Result<A::Answer, Refusal>
    where
        A: ApiOperation<Target = O::Target, Input = O::Input>,
        Action: From<Asked<A>>,
    {
        let answer = api.handle.ask::<A>(self.caller, self.target, self.input);
        Ok(answer.await?)
    }
}

/// The entity tags of which the session must have one (`If-Match`, RFC 9110 §13.1.1); empty: any.
fn if_match(headers: &HeaderMap, entry: &OperationEntry) -> Result<Vec<String>, Refusal> {
    let mut tags = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        if !entry.is_conditional() {
            let detail = match entry.method {
                Method::Get => "a request that changes nothing takes no If-Match: leave it out",
                _ => "this path has no entity tag: leave If-Match out",
            };
            return Err(Refusal::new(ProblemCode::InvalidRequest, detail));
        }
        let text = value.to_str().unwrap_or_default();
        tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    let is_tag = |tag: &str| tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
    if let Some(wrong) = tags.iter().find(|tag| *tag != "*" && !is_tag(tag)) {
        let wrong: String = wrong.chars().take(40).collect();
        let detail = format!("If-Match has {wrong:?}: give the ETag of an answer, in quotes, or *");
        return Err(Refusal::new(ProblemCode::InvalidRequest, detail));
    }
    if tags.iter().any(|tag| tag == "*") {
        tags.clear();
    }
    Ok(tags)
}
