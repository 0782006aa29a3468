//! Who the viewer is.

use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use onair_http::PeerPlace;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Refusal, Site};
use crate::users::{LoggedIn, NotLoggedIn, Role};

const NAME: &str = "onair-wall";

/// The value of the login's cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get(COOKIE)?.to_str().ok()?;
    let mut pairs = all.split(';').filter_map(|it| it.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == NAME)
        .map(|(_, value)| value)
}

/// The user who sent a request, if it logged in.
pub(super) fn user(site: &Site, headers: &HeaderMap) -> Option<LoggedIn> {
    site.users.as_ref()?.of_cookie(cookie(headers)?)
}

fn document(site: &Site, user: Option<LoggedIn>) -> Json<Value> {
    Json(json!({
        "can_log_in": site.users.is_some(),
        "name": user.as_ref().map(|it| &it.name),
        "role": user.as_ref().map_or(Role::Watch, |it| it.role),
        "token": user.as_ref().map(|it| &it.csrf),
    }))
}

pub(super) async fn me(State(site): State<Site>, headers: HeaderMap) -> Json<Value> {
    document(&site, user(&site, &headers))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    token: String,
}

pub(super) async fn login(
    State(site): State<Site>,
    Extension(place): Extension<PeerPlace>,
    Json(login): Json<Login>,
) -> Result<impl IntoResponse, Refusal> {
    let no_users = "there are no users: start onair-wall with --users FILE";
    let users = site.users.as_ref();
    let users = users.ok_or_else(|| Refusal::new(StatusCode::FORBIDDEN, no_users))?;
    let address = place.address().to_canonical();
    let (cookie, user) = users.login(&login.token, address).map_err(|it| {
        let status = match it {
            NotLoggedIn::Token => StatusCode::FORBIDDEN,
            NotLoggedIn::Wait => StatusCode::TOO_MANY_REQUESTS,
            NotLoggedIn::File => StatusCode::SERVICE_UNAVAILABLE,
        };
        tracing::warn!(%address, "a login is refused: {it}");
        Refusal::new(status, it.to_string())
    })?;
    tracing::info!(%address, user = user.name, "logged in");
    let cookie = set(&site, &cookie, 12 * 3600);
    Ok(([(SET_COOKIE, cookie)], document(&site, Some(user))))
}

pub(super) async fn logout(State(site): State<Site>, headers: HeaderMap) -> impl IntoResponse {
    if let (Some(users), Some(cookie)) = (&site.users, cookie(&headers)) {
        users.logout(cookie);
    }
    ([(SET_COOKIE, set(&site, "", 0))], document(&site, None))
}

fn set(site: &Site, value: &str, seconds: u32) -> String {
    let secure = if site.is_tls { "; Secure" } else { "" };
    format!("{NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}
