//! A session whose frames are those of another session, in another layout.

use onair_api::{
    Convert, Direction, Problem, ProblemCode, SessionId, SessionProblem,
    SessionProblemKind as Kind, SessionSpec, SessionState, SpecError, SpecErrors, Via, Who,
};
use onair_dataplane::Runtime;
use onair_essence::{Format, MAX_UNIT_BYTES};
use onair_pixels::{Conversion, PixelFormat};
use onair_session::{Attachment, SessionCore};

use super::Session;
use super::problem::problem;
use crate::services::Services;

/// Where a converted session's frames come from.
#[derive(Debug, Default)]
pub(crate) struct Source {
    /// `None`: it never had one.
    link: Option<SessionId>,
    /// Why it has none, or its state at the last look.
    state: SourceState,
}

/// State of a converted session's source, at a look.
#[derive(Debug, Default)]
enum SourceState {
    /// It runs.
    #[default]
    Running,
    /// It is there, and does not run.
    Stopped,
    /// It is gone, or cannot be the source: the reason.
    Gone(String),
}

impl Source {
    /// The session that the frames come from, which may be gone.
    pub(crate) const fn id(&self) -> Option<SessionId> {
        self.link
    }

    /// The session has the frames of this one from now on.
    pub(crate) fn connect(&mut self, source: SessionId) {
        self.link = Some(source);
        self.state = SourceState::Running;
    }

    /// The session is quarantined or gone: it needs no source any more.
    pub(crate) fn part(&mut self) -> Option<SessionId> {
        self.link.take()
    }

    /// The session looked for a source, and has none.
    pub(crate) fn note_none(&mut self, reason: String) {
        self.state = SourceState::Gone(reason);
    }

    /// Notes the state of the source; `None`: there is none. The first reason stays.
    pub(crate) fn note(&mut self, state: Option<SessionState>) {
        self.state = match (state, &self.state) {
            (Some(SessionState::Running), _) => SourceState::Running,
            (Some(_), _) => SourceState::Stopped,
            (None, SourceState::Gone(_)) => return,
            (None, _) => SourceState::Gone("it was destroyed".to_owned()),
        };
    }

    /// Why no frames come to a converted session.
    pub(super) fn problem(
        &self,
        spec: &SessionSpec,
        core: &SessionCore<Runtime>,
        services: &Services,
    ) -> Option<SessionProblem> {
        let from = &spec.convert.as_ref()?.from;
        match &self.state {
            SourceState::Running if filler(core).is_some() => None,
            SourceState::Running => {
                let fault = services.machine.conversion_fault(core.id().0)?;
                let detail = format!("its frames are not converted: {fault}");
                Some(problem(Kind::NoFiller, detail))
            }
            SourceState::Stopped => Some(problem(
                Kind::SourceStopped,
                format!("session {from}, whose frames it converts, does not run: start it"),
            )),
            SourceState::Gone(reason) => Some(problem(
                Kind::SourceGone,
                format!(
                    "it has no source, session {from}: {reason}. Create that session, then stop and start \
                     this one"
                ),
            )),
        }
    }
}

/// How a session is converted; `None` for a session of packets.
///
/// # Errors
/// `invalid_spec`, with the layouts that can represent the format.
pub(super) fn config(spec: &SessionSpec) -> Result<Option<Conversion>, Problem> {
    let Some(convert) = &spec.convert else {
        return Ok(None);
    };
    let format = &spec.format;
    let of_layout = |problem: String| {
        let errors = vec![SpecError::new("convert.layout", problem)];
        Problem::from(SpecErrors(errors))
    };
    let layout = convert.layout.parse::<PixelFormat>();
    let layout = layout.map_err(|_| {
        let given = &convert.layout;
        of_layout(format!(
            "{given:?} is no layout that OnAir makes: {}",
            offered(format)
        ))
    })?;
    let Some(conversion) = Conversion::of(format, layout) else {
        return Err(of_layout(format!(
            "{layout} cannot represent {format}: {}",
            offered(format)
        )));
    };
    let bytes = conversion.buffer_bytes();
    if bytes > MAX_UNIT_BYTES as usize {
        return Err(of_layout(format!(
            "a buffer has {bytes} bytes in it, and {MAX_UNIT_BYTES} are supported: give a smaller layout"
        )));
    }
    Ok(Some(conversion))
}

/// The layouts that can represent the format.
fn offered(format: &Format) -> String {
    let all = Conversion::offered(format).map(PixelFormat::ffmpeg);
    let all: Vec<_> = all.collect();
    match &all[..] {
        [] => format!("no layout holds {format}"),
        all => format!("give one of {}", all.join(", ")),
    }
}

/// Bytes of a converted session's buffers; `None` for a session of packets.
pub(super) fn buffer_bytes(spec: &SessionSpec) -> Option<usize> {
    Some(config(spec).ok()??.buffer_bytes())
}

/// Layout of the buffers of a session; `None`: pixel groups.
pub(crate) fn layout(spec: &SessionSpec) -> Option<PixelFormat> {
    let convert = spec.convert.as_ref()?;
    convert.layout.parse().ok()
}

/// Whether a process is the daemon's own converter, which came by a connection that the daemon made.
pub(crate) fn is_converter(who: &Who) -> bool {
    who.via == Via::Daemon
}

/// The client that fills a local or converted session.
pub(super) fn filler(core: &SessionCore<Runtime>) -> Option<&Attachment> {
    core.clients().attached().find(|it| it.fills)
}

/// Attachments of the daemon's own converter, also evicted ones: they take no place of the clients'.
pub(crate) fn converters(core: &SessionCore<Runtime>) -> u64 {
    let own = |it: &&Attachment| is_converter(&it.who);
    core.clients().holders().filter(own).count() as u64
}

/// The direction of a session that is no source of conversions, as a verb.
fn does(spec: &SessionSpec) -> &'static str {
    match spec.is_local() {
        true => "is local",
        false => "sends",
    }
}

/// Whether a session has packets.
///
/// # Errors
/// `no_packets`.
pub(crate) fn check_has_packets(spec: &SessionSpec) -> Result<(), Problem> {
    let name = &spec.name;
    let detail = match &spec.convert {
        Some(convert) => format!(
            "session {name} converts the frames of session {}, and has no packets",
            convert.from
        ),
        None if spec.is_local() => {
            format!("session {name} is local: a client fills it, and it has no packets")
        }
        None => return Ok(()),
    };
    Err(Problem::new(ProblemCode::NoPackets, detail))
}

/// Whether clients submit frames to a session.
///
/// # Errors
/// `invalid_request`.
pub(crate) fn check_sends(spec: &SessionSpec) -> Result<(), Problem> {
    if spec.direction != Direction::Receive {
        return Ok(());
    }
    let detail = format!(
        "session {} receives: a flush waits for frames that clients submitted to a send or local session",
        spec.name
    );
    Err(Problem::new(ProblemCode::InvalidRequest, detail))
}

/// Checks the layout of a converted session.
///
/// # Errors
/// `invalid_spec`, with the layouts that there are.
pub(crate) fn check(spec: &SessionSpec) -> Result<(), Problem> {
    config(spec).map(drop)
}

impl Session {
    /// Why no session has its frames in `layout`, with what to do.
    pub(crate) fn not_converted(&self, layout: &str) -> Problem {
        let name = &self.spec.name;
        let convert = Convert {
            from: name.clone(),
            layout: layout.to_owned(),
            source_owner: None,
        };
        let spec = SessionSpec {
            convert: Some(convert),
            ..self.spec.clone()
        };
        let can_be_made = self.check_source(&spec.format).and_then(|()| check(&spec));
        // A place may come free until it is made.
        let never = can_be_made
            .err()
            .filter(|it| it.code == ProblemCode::InvalidSpec);
        never.unwrap_or_else(|| {
            let detail = format!(
                "no session that this user may attach to has the frames of session {name} in {layout}. To make one: \
                 `onairctl session create {name}-{layout} --from {name} --layout {layout}`"
            );
            Problem::new(ProblemCode::NotConverted, detail)
        })
    }

    /// Whether the session can be the source of one more converted session of `format`.
    ///
    /// # Errors
    /// `invalid_spec` for `convert.from`, `limit_reached`, `draining`.
    pub fn check_source(&self, format: &Format) -> Result<(), Problem> {
        let name = &self.spec.name;
        let invalid = |problem: String| {
            let errors = vec![SpecError::new("convert.from", problem)];
            Err(Problem::from(SpecErrors(errors)))
        };
        if let Some(convert) = &self.spec.convert {
            let from = &convert.from;
            return invalid(format!(
                "session {name} is itself converted: give its source, {from}"
            ));
        }
        if self.spec.direction != Direction::Receive {
            let does = does(&self.spec);
            return invalid(format!("session {name} {does}: give a receive session"));
        }
        if !self.spec.format.has_units_of(format) {
            return invalid(format!(
                "session {name} has {} now, and the converted session is for {format}: create it again",
                self.spec.format
            ));
        }
        self.check_not_draining()?;
        if self.places.are_taken(&self.spec, &self.core, false) {
            let detail = format!(
                "session {name} has {} clients and converted sessions, as many as it allows \
                 (max_attachments): a converted session takes the place of a client",
                self.spec.max_attachments
            );
            return Err(Problem::new(ProblemCode::LimitReached, detail));
        }
        Ok(())
    }
}
