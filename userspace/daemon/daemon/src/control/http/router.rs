//! Paths and the handlers behind them.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};
use axum::{Json, Router};
use onair_api::SessionView;
use onair_api::operations::{
    AbortSession, ApiOperation, CreateGroup, CreateSession, DeleteSession, DescribeSession,
    DestroyGroup, DestroyGroupWait, DestroySession, DestroySessionWait, EvictAll, EvictAttachment,
    FlushSession, FollowEvents, ListArriving, ListBlockers, ListCertificates, ListGroups,
    ListPollers, ListProblems, ListRecordings, ListSessions, Method, QuarantineSession,
    ReloadConfig, RetargetGroup, RetargetSession, RetargetSessions, ShowCertificate, ShowConfig,
    ShowGroup, ShowHealth, ShowKeptCertificate, ShowMetrics, ShowOpenapi, ShowPicture, ShowProblem,
    ShowRecording, ShowSession, ShowShutdown, ShowTrace, ShowVerdict, ShutDown, ShutDownIfIdle,
    StartGroup, StartRecording, StartSession, StopGroup, StopRecording, StopSession, Upgrade,
};
use onair_engine::inputs::{Action, Asked};
use onair_settings::access::authority::Authority;
use onair_settings::access::etag::etag;
use onair_settings::diagnostics::rate_limit::UserLines;
use utoipa::openapi::OpenApi;

use super::api::Api;
use super::handlers::{answers, config, events, metrics, shutdown};
use super::limits::Limits;
use super::refusal::Refusal;
use super::replay::Replays;
use super::request::admitted::Admitted;
use super::{guard, openapi};
use crate::control::handle::ControlHandle;
use crate::shutdown::ShutdownCoordinator;
use crate::takeover::Takeover;

/// Operations with their handlers, and their description.
pub(super) struct Routes {
    router: Router<Api>,
    /// If it is wanted.
    pub(super) document: Option<OpenApi>,
}

impl Routes {
    /// Adds an operation and its handler.
    fn serve<O: ApiOperation, T: 'static>(mut self, handler: impl Handler<T, Api>) -> Self {
        if let Some(document) = &mut self.document {
            openapi::describe::<O>(document);
        }
        let method = match O::ENTRY.method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
            Method::Patch => MethodFilter::PATCH,
            Method::Delete => MethodFilter::DELETE,
        };
        self.router = self.router.route(O::ENTRY.path, on(method, handler));
        self
    }

    /// Adds an operation that the actor answers with a document.
    fn ask<O: ApiOperation>(self) -> Self
    where
        Action: From<Asked<O>>,
    {
        self.ask_as::<O, O>()
    }

    /// Adds an operation that the actor answers with a session, which has an entity tag.
    fn ask_session<O>(self) -> Self
    where
        O: ApiOperation<Answer = SessionView>,
        Action: From<Asked<O>>,
    {
        self.serve::<O, _>(async |State(api): State<Api>, admitted: Admitted<O>| {
            let view = admitted.ask::<O>(&api).await?;
            Ok::<_, Refusal>(([(header::ETAG, etag(&view))], Json(view)))
        })
    }

    /// Adds an operation that is a second name of `A`.
    fn ask_as<O, A>(self) -> Self
    where
        O: ApiOperation,
        A: ApiOperation<Target = O::Target, Input = O::Input>,
        Action: From<Asked<A>>,
    {
        self.serve::<O, _>(async |State(api): State<Api>, admitted: Admitted<O>| {
            Ok::<_, Refusal>(Json(admitted.ask::<A>(&api).await?))
        })
    }
}

/// Every operation, described in `document`.
pub(super) fn routes(document: Option<OpenApi>) -> Routes {
    let router = Router::new();
    Routes { router, document }
        .ask::<ListSessions>()
        .serve::<CreateSession, _>(answers::session)
        .ask_session::<ShowSession>()
        .ask_session::<StopSession>()
        .ask_session::<StartSession>()
        .ask_session::<RetargetSession>()
        .ask::<RetargetSessions>()
        .ask::<DestroySession>()
        .ask_as::<DeleteSession, DestroySession>()
        .ask::<DestroySessionWait>()
        .ask::<ListGroups>()
        .serve::<CreateGroup, _>(answers::group)
        .ask::<ShowGroup>()
        .ask::<StopGroup>()
        .ask::<StartGroup>()
        .ask::<RetargetGroup>()
        .ask::<DestroyGroup>()
        .ask::<DestroyGroupWait>()
        .ask::<FlushSession>()
        .ask::<EvictAttachment>()
        .ask::<EvictAll>()
        .ask::<AbortSession>()
        .ask::<QuarantineSession>()
        .ask::<ListBlockers>()
        .ask::<ShowVerdict>()
        .serve::<ShowTrace, _>(answers::text::<ShowTrace>)
        .serve::<DescribeSession, _>(answers::text::<DescribeSession>)
        .serve::<ShowPicture, _>(answers::picture)
        .serve::<StartRecording, _>(answers::recording)
        .ask::<ListRecordings>()
        .ask::<ShowRecording>()
        .ask::<StopRecording>()
        .ask::<ShowCertificate>()
        .ask_as::<ShowKeptCertificate, ShowCertificate>()
        .ask::<ListCertificates>()
        .serve::<FollowEvents, _>(events::follow)
        .serve::<ShowHealth, _>(answers::health)
        .ask::<ListArriving>()
        .serve::<ShowMetrics, _>(metrics::show)
        .serve::<ShowShutdown, _>(shutdown::show)
        .serve::<ShutDown, _>(shutdown::begin)
        .ask::<ShutDownIfIdle>()
        .serve::<Upgrade, _>(shutdown::upgrade)
        .ask::<ListPollers>()
        .ask::<ShowConfig>()
        .serve::<ReloadConfig, _>(config::reload)
        .serve::<ListProblems, _>(answers::problems)
        .serve::<ShowProblem, _>(answers::problem)
        .serve::<ShowOpenapi, _>(answers::openapi)
}

/// The description of every path, as `GET /v1/openapi.json` returns it: pretty-printed JSON.
#[must_use]
pub fn document() -> String {
    let document = routes(Some(openapi::frame())).document;
    let document = document.expect("it was given").to_pretty_json();
    document.expect("an OpenAPI document's maps have text keys")
}

/// Of this program. To make it takes longer than to attach a client, so the control thread does not.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| document().into());

/// Makes the description, before the first connection.
pub fn prepare() {
    LazyLock::force(&DOCUMENT);
}

/// The service behind a connection. A request carries its [`onair_settings::access::peer::Peer`] as an
/// extension.
pub(super) fn router(
    handle: ControlHandle,
    authority: Authority,
    limits: Limits,
    shutdown: ShutdownCoordinator,
    takeover: Takeover,
) -> Router {
    let api = Api {
        handle,
        authority,
        limits,
        shutdown: shutdown.clone(),
        takeover,
        openapi: DOCUMENT.clone(),
        replays: Replays::default(),
    };
    routes(None)
        .router
        .fallback(guard::not_found)
        .method_not_allowed_fallback(guard::method_not_allowed)
        .layer(from_fn_with_state(limits, guard::check))
        .layer(from_fn_with_state(UserLines::default(), guard::log))
        .layer(from_fn_with_state(shutdown, shutdown::count))
        .with_state(api)
}
