//! A session to be created: of packets, or of another session's frames.

use serde::{Deserialize, Serialize};

use super::convert::{Convert, ConvertedSession};
use super::{Direction, FlowDocument, SessionSpec, Source, SpecDocument, SpecError, VideoDocument};
use crate::problem::{Problem, ProblemCode};

/// Body of `POST /v1/sessions`.
///
/// Essence: ST 2110-20 video, in the pgroup layout of RFC 4175 §4.3, over UDP/IPv4; or the frames of such
/// a session in another layout (`convert`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(as = SessionSpec))]
pub struct NewSessionDocument {
    /// Unique among the live sessions: `[a-z0-9][a-z0-9._-]{0,62}`, not sixteen hex digits.
    #[cfg_attr(
        feature = "openapi",
        schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", examples("cam1"))
    )]
    pub name: String,
    /// Direction of the packets. Required without `convert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Name of a port in the daemon's configuration. Required without `convert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(pattern = "^[A-Za-z0-9._-]{1,63}$", examples("a"))
    )]
    pub port: Option<String>,
    /// Picture size, rate, samples, and order of the lines. Required without `convert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoDocument>,
    /// Addresses and payload type. Required without `convert`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowDocument>,
    /// Convert the frames of another session, instead of receiving or sending packets: `direction`, `port`,
    /// `video` and `flow` are then those of that session, and are left out, as are `source` and
    /// `frame_timeout_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Convert>,
    /// Send only: source of the frames; `client` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Frames that one attachment may hold on loan at a time: 1 to 64, 4 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 64))]
    pub quota: Option<u32>,
    /// Attachments at a time: 1 to 128, 4 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 128))]
    pub max_attachments: Option<u32>,
    /// Shutdown priority: 0 to 100, 50 when absent. The daemon stops and destroys sessions with a
    /// lower number first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(maximum = 100))]
    pub priority: Option<u32>,
    /// Receive only: close a frame as incomplete after this many milliseconds without a packet of
    /// it, and only then follow a sender that restarted: 1 to 10000; three frame times, at least
    /// 100, when absent. Longer for a path that delays packets by more, at the price of later
    /// incomplete frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10_000))]
    pub frame_timeout_ms: Option<u32>,
    /// The daemon stops the session this many milliseconds after its creation: 1 to 31622400000.
    /// When absent, the daemon does not stop it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "crate::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 31_622_400_000_u64))]
    pub duration_ms: Option<u64>,
    /// Restore the session when the daemon restarts, unless a user destroyed it; `false` when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
}

/// A session to be created, checked as far as that is possible without its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "NewSessionDocument", try_from = "NewSessionDocument")]
pub enum NewSession {
    /// It receives or sends packets.
    OfPackets(Box<SessionSpec>),
    /// It converts the frames of another session.
    Converted(Box<ConvertedSession>),
}

/// Checks every field. The problem is `invalid_request` if one is missing, `invalid_spec` if some are
/// invalid.
impl TryFrom<NewSessionDocument> for NewSession {
    type Error = Problem;

    fn try_from(document: NewSessionDocument) -> Result<Self, Problem> {
        if document.convert.is_some() {
            let converted = ConvertedSession::try_from(document)?;
            return Ok(Self::Converted(Box::new(converted)));
        }
        let NewSessionDocument {
            direction: Some(direction),
            port: Some(port),
            video: Some(video),
            flow: Some(flow),
            ..
        } = document
        else {
            let missing = document
                .missing()
                .map(|field| SpecError::new(field, "missing"));
            return Err(Problem::of_fields(
                ProblemCode::InvalidRequest,
                missing.collect(),
            ));
        };
        let spec = SessionSpec::try_from(SpecDocument {
            name: document.name,
            direction,
            port,
            video,
            flow,
            convert: None,
            source: document.source,
            quota: document.quota,
            max_attachments: document.max_attachments,
            priority: document.priority,
            frame_timeout_ms: document.frame_timeout_ms,
            duration_ms: document.duration_ms,
            persistent: document.persistent,
        })?;
        Ok(Self::OfPackets(Box::new(spec)))
    }
}

impl NewSessionDocument {
    /// Fields of packets, each with whether it is given.
    fn of_packets(&self) -> [(&'static str, bool); 4] {
        [
            ("direction", self.direction.is_some()),
            ("port", self.port.is_some()),
            ("video", self.video.is_some()),
            ("flow", self.flow.is_some()),
        ]
    }

    fn missing(&self) -> impl Iterator<Item = &'static str> + use<> {
        let missing = self
            .of_packets()
            .into_iter()
            .filter(|(_, is_given)| !is_given);
        missing.map(|(field, _)| field)
    }

    /// Fields that only a session of packets has.
    pub(super) fn given_of_packets(&self) -> impl Iterator<Item = &'static str> + use<> {
        let more = [
            ("source", self.source.is_some()),
            ("frame_timeout_ms", self.frame_timeout_ms.is_some()),
        ];
        let all = self.of_packets().into_iter().chain(more);
        all.filter(|(_, is_given)| *is_given)
            .map(|(field, _)| field)
    }
}

impl From<SpecDocument> for NewSessionDocument {
    fn from(spec: SpecDocument) -> Self {
        let of_packets = spec.convert.is_none();
        Self {
            name: spec.name,
            direction: of_packets.then_some(spec.direction),
            port: of_packets.then_some(spec.port),
            video: of_packets.then_some(spec.video),
            flow: of_packets.then_some(spec.flow),
            convert: spec.convert,
            source: spec.source,
            quota: spec.quota,
            max_attachments: spec.max_attachments,
            priority: spec.priority,
            frame_timeout_ms: spec.frame_timeout_ms,
            duration_ms: spec.duration_ms,
            persistent: spec.persistent,
        }
    }
}

impl From<NewSession> for NewSessionDocument {
    fn from(session: NewSession) -> Self {
        match session {
            NewSession::OfPackets(spec) => SpecDocument::from(*spec).into(),
            NewSession::Converted(converted) => (*converted).into(),
        }
    }
}

impl From<SessionSpec> for NewSession {
    fn from(spec: SessionSpec) -> Self {
        Self::OfPackets(Box::new(spec))
    }
}
