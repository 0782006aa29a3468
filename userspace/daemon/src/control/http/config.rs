//! `/v1/config`.

use std::path::Path;

use axum::Json;
use axum::extract::{Extension, State};
use onair_types::{ActiveConfig, Reload};

use super::refusal::{OfAll, Refusal};
use super::router::Api;
use crate::authority::Right;
use crate::config::reload::load;
use crate::peer::Peer;

/// Shows the configuration in force.
#[utoipa::path(get, path = "/v1/config", tag = "daemon", operation_id = "show_config",
    responses((status = 200, description = "Every key with its value, and the last reload.",
        body = ActiveConfig), OfAll))]
pub(super) async fn show(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<ActiveConfig>, Refusal> {
    api.authority.admit_all(&peer, Right::Read)?;
    Ok(Json(*api.handle.config().await?))
}

/// Reads the configuration file again, as SIGHUP does.
///
/// Keys that can change while the daemon runs are changed. The others are refused, each with the
/// reason. An invalid file is rejected; the current configuration stays.
#[utoipa::path(post, path = "/v1/config/reload", tag = "daemon", operation_id = "reload_config",
    responses((status = 200, description = "The result, also if the file is invalid.",
        body = Reload), OfAll))]
pub(super) async fn reload(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
) -> Result<Json<Reload>, Refusal> {
    api.authority.admit_all(&peer, Right::Reload)?;
    let active = api.handle.config().await?;
    // File access may hang: not on the control thread.
    let loaded =
        tokio::task::spawn_blocking(move || load(active.file.as_ref().map(Path::new))).await;
    let loaded = loaded.unwrap_or_else(|error| Err(error.to_string()));
    Ok(Json(*api.handle.reload(loaded).await?))
}
