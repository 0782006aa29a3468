//! Checks before every path, against other sites that the viewer's browser has open.
//!
//! - The host of a request is an address, `localhost`, or a name that was given: a page of another site whose name is made
//!   to lead here (DNS rebinding) has its own name.
//! - A request that changes something comes from this origin, and says so: `Origin`, which no script can forge. The
//!   action itself also has the login's token in a header ([`super::act`]).
//! - No answer may be shown in a frame, or read by another origin; the page runs nothing but its own files.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use onair_http::{BodyError, PeerPlace, whole};
use tokio::time::timeout;

use super::{Refusal, Site};

const HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         media-src blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

pub(super) async fn guard(State(site): State<Site>, request: Request, next: Next) -> Response {
    let answer = async {
        check(&site, &request)?;
        let request = whole(request, &site.limits).await?;
        // It has the body's bytes.
        let _place = request.extensions().get::<PeerPlace>().cloned();
        Ok::<_, Refusal>(next.run(request).await)
    };
    let mut response = match timeout(site.limits.request, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(refusal)) => refusal.into_response(),
        Err(_) => {
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response()
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::Late => StatusCode::REQUEST_TIMEOUT,
            BodyError::Large { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        };
        Self::new(status, error.to_string())
    }
}

fn check(site: &Site, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let host = text(headers, HOST).unwrap_or_default();
    if !is_ours(host, &site.names) {
        let error = format!("this is not the host {host:?}: start onair-wall with --name for it");
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, error));
    }
    let site_of = text(headers, HeaderName::from_static("sec-fetch-site"));
    let is_page = request.uri().path() == "/";
    match request.method() {
        // A link from elsewhere may lead to the page, and to nothing else.
        &Method::GET | &Method::HEAD if is_page => Ok(()),
        &Method::GET | &Method::HEAD => match site_of {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) => Err(elsewhere()),
        },
        &Method::POST => {
            let scheme = if site.is_tls { "https" } else { "http" };
            let own = format!("{scheme}://{host}");
            let is_own = text(headers, ORIGIN).is_some_and(|it| it.eq_ignore_ascii_case(&own));
            if !is_own || !matches!(site_of, None | Some("same-origin")) {
                return Err(elsewhere());
            }
            let kind = text(headers, CONTENT_TYPE).unwrap_or_default();
            match kind.split(';').next() {
                Some("application/json") => Ok(()),
                _ => Err(Refusal::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "the body is JSON: Content-Type: application/json",
                )),
            }
        }
        _ => Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path does not have this method",
        )),
    }
}

fn elsewhere() -> Refusal {
    let error = "the request comes from another site";
    Refusal::new(StatusCode::FORBIDDEN, error)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a request's host is this one.
fn is_ours(host: &str, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let (name, port) = (authority.host(), authority.port_u16());
    // No user before it, and after it nothing but a port.
    let whole = port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    if authority.as_str() != whole {
        return false;
    }
    let host = name;
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|it| it.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_that_is_an_address_or_a_given_name_then_ours() {
        let names = ["wall.example.org".to_owned()];
        for (host, is_one) in [
            ("127.0.0.1:8180", true),
            ("[::1]:8180", true),
            ("localhost", true),
            ("Wall.Example.org:443", true),
            ("evil.example", false),
            ("wall.example.org.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("a@127.0.0.1:8180x", false),
            ("", false),
        ] {
            assert_eq!(is_ours(host, &names), is_one, "{host}");
        }
    }
}
