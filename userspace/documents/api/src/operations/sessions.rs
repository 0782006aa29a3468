//! Operations on sessions.

use super::entry::{any, delete, get, patch, post, this};
use super::target::LAST_SESSION;
use super::{Right, SessionQuery, Shape, operations};
use crate::problem::ProblemCode::{
    Busy, DataplaneBusy, DeadlinePassed, DiskFailed, Draining, FramesDropped, InvalidSpec,
    LimitReached, NameTaken, NoConverter, NoPackets, NoPicture, NoSuchAttachment, NoSuchPort,
    NoSuchSession, PollerFull, ProbeBlind, Quarantined, Running,
};
use crate::{
    BlockerList, Certificate, DestroyWait, Eviction, EvictionList, Flush, Flushed, GroupPatch,
    NewSession, SessionList, SessionPatch, SessionRef, SessionView, Verdict,
};

operations! { SESSIONS "sessions":
    /// Lists existing sessions.
    ///
    /// Of each what tells it from others, and whether it is well; with `full`, or in the answer about one,
    /// everything.
    ListSessions((), SessionQuery) -> SessionList:
        get("/v1/sessions", any(Right::Read)).answers("Sessions, oldest first.");

    /// Creates a session.
    ///
    /// The caller's uid owns it. With `convert` its frames are those of another session, in another
    /// layout; the caller needs the right to attach to that session.
    CreateSession((), NewSession) -> SessionView:
        post("/v1/sessions", any(Right::Create)).creates().answers("The new session.")
            .fails(&[InvalidSpec, NoSuchPort, NoSuchSession, NameTaken, LimitReached, PollerFull, DiskFailed, NoConverter, DataplaneBusy]);

    /// Shows one session.
    ShowSession(SessionRef, ()) -> SessionView:
        get("/v1/sessions/{id}", this(Right::Read)).answers("The session.");

    /// Stops a session.
    ///
    /// Calls return EAGAIN at once; buffers can still be put. No effect if the session is stopped.
    StopSession(SessionRef, ()) -> SessionView:
        post("/v1/sessions/{id}/stop", this(Right::Stop)).answers("The session, stopped.")
            .fails(&[Draining, Quarantined, DiskFailed, DataplaneBusy]);

    /// Starts a session.
    ///
    /// No effect if the session runs.
    StartSession(SessionRef, ()) -> SessionView:
        post("/v1/sessions/{id}/start", this(Right::Start)).refused_in_shutdown()
            .answers("The session, running.")
            .fails(&[Draining, Quarantined, DiskFailed, DataplaneBusy]);

    /// Gives a session other addresses, or its packets another timing.
    ///
    /// Fields that are absent stay as they are. A running session changes between two frames: the
    /// frame that is being sent or received is finished first. The answer comes after the change. With `running` it
    /// stops or starts, too, all or nothing: a refused change does neither.
    RetargetSession(SessionRef, Box<SessionPatch>) -> SessionView:
        patch("/v1/sessions/{id}", this(Right::Retarget)).refused_in_shutdown()
            .answers("The session, with the changes.")
            .fails(&[InvalidSpec, NoPackets, Draining, Quarantined, DiskFailed, DataplaneBusy]);

    /// Gives several sessions other addresses, all or none.
    ///
    /// All changes are checked before the first is made. `errors` names each session that cannot change, as `sessions[N]`. They change with the unit that begins at one
    /// time.
    RetargetSessions((), GroupPatch) -> SessionList:
        patch("/v1/sessions", this(Right::Retarget)).refused_in_shutdown()
            .answers("The sessions, with the changes.")
            .fails(&[InvalidSpec, NoSuchSession, NoPackets, Draining, Quarantined, DiskFailed, DataplaneBusy]);

    /// Destroys a session now or not at all.
    ///
    /// It succeeds only if every witness sees no user; else 409 with the blockers.
    DestroySession(SessionRef, ()) -> Certificate as Box<Certificate>:
        post("/v1/sessions/{id}/destroy", this(Right::Destroy))
            .answers("Destroyed; the certificate.")
            .fails(&[Running, Busy, Draining, Quarantined, ProbeBlind, DataplaneBusy]);

    /// Destroys a session now or not at all: the same as `POST …/destroy`.
    DeleteSession(SessionRef, ()) -> Certificate as Box<Certificate>:
        delete("/v1/sessions/{id}", this(Right::Destroy)).answers("Destroyed; the certificate.")
            .fails(&[Running, Busy, Draining, Quarantined, ProbeBlind, DataplaneBusy]);

    /// Destroys a session as soon as the last user has left.
    ///
    /// If the deadline passes first: 409 with the blockers, and the session stays stopped. The wait
    /// ends early if the requester closes the connection.
    DestroySessionWait(SessionRef, DestroyWait) -> Certificate as Box<Certificate>:
        post("/v1/sessions/{id}/destroy_wait", this(Right::Destroy))
            .answers("Destroyed; the certificate.")
            .fails(&[Running, DeadlinePassed, Draining, Quarantined, ProbeBlind, DataplaneBusy]);

    /// Waits until what clients have submitted to a send session is sent.
    ///
    /// It covers what was submitted before the request, and nothing later. The session continues, even
    /// if the deadline passes first. A stopped session has nothing submitted: the answer comes at once. A
    /// receive session is refused: its clients submit nothing.
    FlushSession(SessionRef, Flush) -> Flushed:
        post("/v1/sessions/{id}/flush", this(Right::Flush)).answers("All sent.")
            .fails(&[DeadlinePassed, FramesDropped, Quarantined, LimitReached]);

    /// Evicts one client.
    ///
    /// All its calls return ESTALE, and its loaned frames are taken back. The session continues. No
    /// effect if the client was already evicted.
    EvictAttachment((SessionRef, u64), ()) -> Eviction:
        post("/v1/sessions/{id}/attachments/{attachment}/evict", this(Right::Evict))
            .answers("Evicted.").fails(&[NoSuchAttachment, Quarantined, DataplaneBusy]);

    /// Evicts all clients.
    ///
    /// The session continues, and takes new clients.
    EvictAll(SessionRef, ()) -> EvictionList:
        post("/v1/sessions/{id}/evict", this(Right::Evict)).answers("Evicted.")
            .fails(&[Quarantined, DataplaneBusy]);

    /// Stops a session, evicts all clients, and destroys the session; waits for no user.
    ///
    /// For a watchdog. It waits only for the poller to hand the session back, for
    /// `timeouts.quiesce_ms`.
    AbortSession(SessionRef, ()) -> Certificate as Box<Certificate>:
        post("/v1/sessions/{id}/abort", this(Right::Abort))
            .answers("Destroyed; the certificate, with the evicted clients.")
            .fails(&[Quarantined, DataplaneBusy]);

    /// Sets a stopped session aside with its users.
    ///
    /// Its name becomes free at once, and every call of its users returns ESTALE. It stays listed, by
    /// id, until no process has its memory any more. Then the memory is freed and the certificate
    /// completed.
    QuarantineSession(SessionRef, ()) -> Certificate as Box<Certificate>:
        post("/v1/sessions/{id}/quarantine", this(Right::Quarantine))
            .answers("Set aside; the certificate.").fails(&[Running, Draining, Quarantined]);

    /// Describes a session in SDP.
    ///
    /// Of a send session: its flows, for receivers. Of a receive session: the flows that it expects. See RFC 8866
    /// and ST 2110-20 §7.
    DescribeSession(SessionRef, ()) -> String:
        get("/v1/sessions/{id}/sdp", this(Right::Read)).answers("The session description.")
            .of(Shape::Text, "application/sdp").fails(&[NoPackets]);

    /// Shows a session's next complete frame as a picture.
    ///
    /// A PNG of 8 bits red, green and blue, for looking at: narrow range, BT.709, or BT.601 up to 576
    /// lines; of ICtCp and XYZ only the intensity. Two fields become one frame. Of audio: the waveform and levels of
    /// a second, which the PNG's text chunk `onair` has as JSON. It takes no place of the session's clients. The
    /// answer comes with the frame, or after three seconds without one. Ancillary data and JPEG XS are refused.
    ShowPicture(SessionRef, ()) -> Vec<u8>:
        get("/v1/sessions/{id}/snapshot", this(Right::Read)).answers("The picture.")
            .of(Shape::Bytes, "image/png").fails(&[NoPicture, NoPackets, LimitReached]);

    /// Lists the users of a session.
    ListBlockers(SessionRef, ()) -> BlockerList:
        get("/v1/sessions/{id}/blockers", this(Right::Read)).answers("All its users.");

    /// Shows each witness's current reading, and the verdict.
    ///
    /// A dry run of destroy: changes nothing.
    ShowVerdict(SessionRef, ()) -> Verdict:
        get("/v1/sessions/{id}/verdict", this(Right::Read)).answers("The verdict.");

    /// Shows a session's latest events, with all that they were decided by, and their effects.
    ///
    /// Lines of JSON, which the simulator of the same version replays; also of the last sessions that
    /// have ended.
    ShowTrace(SessionRef, ()) -> String:
        get("/v1/sessions/{id}/trace", any(Right::Trace)).about(LAST_SESSION)
            .answers("The trace.").of(Shape::Text, "application/x-ndjson");
}
