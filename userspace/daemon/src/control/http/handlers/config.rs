//! Reloads of the configuration.

use std::path::Path;

use axum::Json;
use axum::extract::State;
use onair_api::Reload;
use onair_api::operations::{ReloadConfig, ShowConfig};

use crate::control::action::Action;
use crate::control::http::api::Api;
use crate::control::http::refusal::Refusal;
use crate::control::http::request::admitted::Admitted;
use crate::control::reload::load;

/// Reads the configuration file, and has the actor apply it.
pub(crate) async fn reload(
    State(api): State<Api>,
    admitted: Admitted<ReloadConfig>,
) -> Result<Json<Reload>, Refusal> {
    let active = admitted.ask::<ShowConfig>(&api).await?;
    // File access may hang: not on the control thread.
    let loaded =
        tokio::task::spawn_blocking(move || load(active.file.as_ref().map(Path::new))).await;
    let loaded = loaded.unwrap_or_else(|error| Err(error.into()));
    let reload = |reply| Action::Reload { loaded, reply };
    Ok(Json(api.handle.send(reload).await?))
}
