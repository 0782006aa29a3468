//! Operations on the daemon itself.

use super::Access::Everyone;
use super::entry::{Shape, any, get, post, this};
use super::{ArrivingQuery, EventQuery, Right, operations};
use crate::problem::ProblemCode::{
    Busy, Forbidden, InProgress, LimitReached, NoSuchPort, NoSuchSession, NotReplaced,
    RequestTimeout, StaleSession, TooLarge,
};
use crate::{
    ActiveConfig, ArrivingList, Event, Health, PollerList, ProblemPage, Reload, ShutdownStatus,
    Successor,
};

operations! { DAEMON "daemon":
    /// Follows the events.
    ///
    /// Server-sent events: `id`, `event` (the kind) and `data` (an `Event` in JSON, on one line). The
    /// first block is an `id` alone: what to reconnect with before an event has come. With
    /// `Last-Event-ID`, the stream starts with the later events that are still kept (up to 1024); `0`
    /// gives all of them. A reader that may not read every session gets the events of its own sessions,
    /// and none about the daemon. A reader that is too slow loses its oldest events, and gets a `lost`
    /// in their place, which has no `id`. The stream ends when the daemon does.
    FollowEvents((), EventQuery) -> Event:
        get("/v1/events", this(Right::Read)).answers("Events, without end.")
            .of(Shape::Document, "text/event-stream")
            .fails(&[NoSuchSession, StaleSession, LimitReached]);

    /// Shows the daemon's health.
    ///
    /// For every process that may connect: a liveness probe needs no rights of its own. A reader that may
    /// not read every session gets only the number of the problems of others' sessions.
    ShowHealth((), ()) -> Health:
        get("/v1/health", Everyone).answers("Ready.").or_not_ready(
            "Not ready: the same body says why. A problem if the daemon is overloaded or shutting \
             down.",
        );

    /// Lists the pollers, and which of them works.
    ListPollers((), ()) -> PollerList:
        get("/v1/pollers", any(Right::Read)).answers("Every poller of the configuration.");

    /// Lists what arrives at the ports and belongs to no running session.
    ///
    /// Datagrams of UDP by destination and payload type: of each poller of a port at most 64 flows. Where more arrive,
    /// those with the most packets.
    ListArriving((), ArrivingQuery) -> ArrivingList:
        get("/v1/arriving", any(Right::Read)).answers("Flows without a session.").fails(&[NoSuchPort]);

    /// Shows the metrics in Prometheus's text format 0.0.4.
    ///
    /// They contain names of sessions, ports and pollers, but no names of processes.
    ShowMetrics((), ()) -> String:
        get("/metrics", any(Right::Read)).answers("Every metric.").of(Shape::Text, "text/plain");

    /// Shuts the daemon down.
    ///
    /// For root and the daemon's user. It does the same as SIGTERM: stops the sessions, and waits for
    /// users until `timeouts.graceful_ms` has passed. A second request changes nothing, and forces
    /// nothing.
    ShutDown((), ()) -> ShutdownStatus:
        post("/v1/shutdown", any(Right::Shutdown)).without_control_thread().begins()
            .answers("The shutdown has begun; `GET` shows its progress.");

    /// Shuts the daemon down, unless a session is running.
    ///
    /// For root and the daemon's user. While a session is running it is refused, and nothing changes.
    /// No session starts after it.
    ShutDownIfIdle((), ()) -> ShutdownStatus:
        post("/v1/shutdown_if_idle", any(Right::Shutdown)).fails(&[Busy])
            .answers("The shutdown has begun; `GET /v1/shutdown` shows its progress.");

    /// Starts the installed program beside this daemon, and leaves everything to it.
    ///
    /// For root and the daemon's user. Answers once the new daemon has done what it can beside this one, and this one
    /// has begun to shut down. Sessions end as by `ShutDown`; the new daemon restores the persistent ones. If the new
    /// daemon does not start, nothing has changed.
    Upgrade((), ()) -> Successor:
        post("/v1/upgrade", any(Right::Shutdown)).without_control_thread().begins()
            .answers("This daemon shuts down, and the new one takes over.")
            .fails(&[InProgress, NotReplaced]);

    /// Shows the progress of the shutdown.
    ///
    /// For every process that may connect. Available until the socket closes, in the phase `cleanup`.
    ShowShutdown((), ()) -> ShutdownStatus:
        get("/v1/shutdown", Everyone).without_control_thread()
            .answers("The phase, the cause, and the remaining users.")
            .fails(&[Forbidden, RequestTimeout, TooLarge]);

    /// Shows the configuration in force.
    ShowConfig((), ()) -> ActiveConfig:
        get("/v1/config", any(Right::Read)).answers("Every key with its value, and the last reload.");

    /// Reads the configuration file again, as SIGHUP does.
    ///
    /// Keys that can change while the daemon runs are changed. The others are refused, each with the
    /// reason. An invalid file is rejected; the current configuration stays.
    ReloadConfig((), ()) -> Reload:
        post("/v1/config/reload", any(Right::Reload)).ignores_body()
            .answers("The result, also if the file is invalid.");

    /// Lists every problem code.
    ListProblems((), ()) -> ProblemPage:
        get("/v1/problems", Everyone).without_control_thread()
            .of(Shape::List, "application/json").answers("Codes with their meaning.");

    /// Shows what one code means and what to do about it.
    ShowProblem(String, ()) -> ProblemPage:
        get("/v1/problems/{code}", Everyone).without_control_thread()
            .answers("The code's meaning.");

    /// Shows this description.
    ShowOpenapi((), ()) -> String:
        get("/v1/openapi.json", Everyone).without_control_thread()
            .of(Shape::Object, "application/json").answers("OpenAPI 3.1.");
}
