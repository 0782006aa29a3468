//! Reloads of the configuration.

use std::path::Path;

use axum::Json;
use axum::extract::State;
use onair_api::Reload;
use onair_api::operations::{ReloadConfig, ShowConfig};
use onair_engine::inputs::Action;
use onair_engine::reload::ReloadError;

use crate::control::handle::load;
use crate::control::http::api::Api;
use crate::control::http::refusal::Refusal;
use crate::control::http::request::admitted::Admitted;

/// Reads the configuration file, and has the actor apply it.
pub(crate) async fn reload(
    State(api): State<Api>,
    admitted: Admitted<ReloadConfig>,
) -> Result<Json<Reload>, Refusal> {
    let active = admitted.ask::<ShowConfig>(&api).await?;
    // File access may hang: not on the control thread.
    let loaded =
        tokio::task::spawn_blocking(move || load(active.file.as_ref().map(Path::new))).await;
    let loaded = loaded.unwrap_or_else(|error| Err(ReloadError::Panicked(error.to_string())));
    let reload = |reply| Action::Reload { loaded, reply };
    Ok(Json(api.handle.send(reload).await?))
}
