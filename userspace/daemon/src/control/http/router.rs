//! Paths and the handlers behind them.

use axum::Router;
use axum::body::Bytes;
use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::limits::Limits;
use super::openapi::{Frame, document};
use super::{
    certificates, config, events, evictions, guard, health, metrics, openapi, problems, recordings,
    sessions, shutdown,
};
use crate::authority::Authority;
use crate::control::handle::ControlHandle;
use crate::shutdown::ShutdownCoordinator;

/// The state that every handler has.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) handle: ControlHandle,
    pub(super) authority: Authority,
    pub(super) limits: Limits,
    pub(super) shutdown: ShutdownCoordinator,
    pub(super) openapi: Bytes,
}

impl FromRef<Api> for Limits {
    fn from_ref(api: &Api) -> Self {
        api.limits
    }
}

/// Every path with its documentation.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Frame::openapi())
        .routes(routes!(sessions::list, sessions::create))
        .routes(routes!(sessions::show, sessions::delete))
        .routes(routes!(sessions::stop))
        .routes(routes!(sessions::start))
        .routes(routes!(sessions::destroy))
        .routes(routes!(sessions::destroy_wait))
        .routes(routes!(sessions::flush))
        .routes(routes!(evictions::evict))
        .routes(routes!(evictions::evict_all))
        .routes(routes!(evictions::abort))
        .routes(routes!(evictions::quarantine))
        .routes(routes!(sessions::blockers))
        .routes(routes!(sessions::verdict))
        .routes(routes!(recordings::start))
        .routes(routes!(recordings::list))
        .routes(routes!(recordings::show))
        .routes(routes!(recordings::stop))
        .routes(routes!(certificates::show))
        .routes(routes!(certificates::list))
        .routes(routes!(events::follow))
        .routes(routes!(certificates::show_kept))
        .routes(routes!(health::show))
        .routes(routes!(metrics::show))
        .routes(routes!(shutdown::show, shutdown::begin))
        .routes(routes!(config::show))
        .routes(routes!(config::reload))
        .routes(routes!(problems::list))
        .routes(routes!(problems::show))
        .routes(routes!(openapi::show))
}

/// The service behind a connection. A request carries its [`crate::peer::Peer`] as an
/// extension.
pub(super) fn router(
    handle: ControlHandle,
    authority: Authority,
    limits: Limits,
    shutdown: ShutdownCoordinator,
) -> Router {
    let api = Api {
        handle,
        authority,
        limits,
        shutdown: shutdown.clone(),
        openapi: document().into(),
    };
    let (router, _) = routes().split_for_parts();
    router
        .fallback(guard::not_found)
        .method_not_allowed_fallback(guard::method_not_allowed)
        .layer(from_fn_with_state(limits, guard::check))
        .layer(from_fn_with_state(shutdown, shutdown::count))
        .with_state(api)
}
