//! A session as JSON: one to be created, and one that is. Only their shape is checked.

use onair_essence::FormatDocument;
use serde::{Deserialize, Serialize};

use crate::spec::invalid::Invalid;
use crate::spec::{
    Convert, DEFAULT_TTL, DescriptionNote, Direction, FlowDocument, LegDocument, SessionSpec,
    Source, SpecError, SpecErrors,
};

/// Declares both documents of a session, with these fields in each.
macro_rules! session_documents {
    ($($(#[$meta:meta])+ pub $field:ident: $type:ty,)+) => {
        onair_essence::with_essences! {
            /// Body of `POST /v1/sessions`.
            ///
            /// Essence: ST 2110-20 video, in the pgroup layout of RFC 4175 §4.3, over UDP; or the frames of such
            /// a session in another layout (`convert`).
            #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
            #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
            #[serde(deny_unknown_fields)]
            #[cfg_attr(feature = "openapi", schema(as = SessionSpec))]
            pub struct NewSessionDocument {
                {
                    /// Unique among the live sessions: `[a-z0-9][a-z0-9._-]{0,62}`, not sixteen hex digits.
                    #[cfg_attr(feature = "openapi", schema(pattern = "^[a-z0-9][a-z0-9._-]{0,62}$", examples("cam1")))]
                    pub name: String,
                    /// Direction of the packets, or `local`: a client of this host fills the frames that others read, and there
                    /// are no packets. Required without `convert`.
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    pub direction: Option<Direction>,
                    /// Name of a port in the daemon's configuration. Required without `convert`; a local session has none.
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9._-]{1,63}$", examples("a")))]
                    pub port: Option<String>,
                }
                /// The format of what it carries: exactly one. Required without `convert`.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                each document
                {
                    /// Addresses and payload type. Required without `convert`; a local session has none.
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    pub flow: Option<FlowDocument>,
                    $($(#[$meta])+ pub $field: $type,)+
                }
            }
        }

        /// The specification of a session as documents of the daemon have it: all that [`NewSessionDocument`] has, and
        /// of a converted session also what it has from its source.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct SpecDocument {
            /// Unique among the live sessions.
            pub name: String,
            /// Direction of the packets, or that there are none.
            pub direction: Direction,
            /// Name of a port in the daemon's configuration; absent for a local session.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            pub port: String,
            /// Format of its units.
            #[serde(flatten)]
            pub format: FormatDocument,
            /// Addresses and payload type; absent for a local session.
            #[serde(default, skip_serializing_if = "FlowDocument::is_none")]
            pub flow: FlowDocument,
            $($(#[$meta])+ pub $field: $type,)+
            /// A controller's connection.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub connected: Option<String>,
        }

        impl SpecDocument {
            /// A session of which nothing else is said.
            #[must_use]
            pub fn new(
                (name, port): (String, String),
                direction: Direction,
                (format, flow): (FormatDocument, FlowDocument),
            ) -> Self {
                let connected = None;
                Self { name, direction, port, format, flow, $($field: <$type>::default(),)+ connected }
            }
        }

        impl NewSessionDocument {
            /// With what a session of packets has.
            fn of_packets(
                self,
                direction: Direction,
                port: String,
                (format, flow): (FormatDocument, FlowDocument),
            ) -> SpecDocument {
                let (name, connected) = (self.name, None);
                SpecDocument { name, direction, port, format, flow, $($field: self.$field,)+ connected }
            }
        }

        impl From<SpecDocument> for NewSessionDocument {
            fn from(spec: SpecDocument) -> Self {
                let of_packets = spec.convert.is_none();
                let on_wire = of_packets && spec.direction != Direction::Local;
                let mut document = Self {
                    name: spec.name,
                    direction: of_packets.then_some(spec.direction),
                    port: on_wire.then_some(spec.port),
                    flow: on_wire.then_some(spec.flow),
                    $($field: spec.$field,)+
                    ..Self::default()
                };
                match of_packets {
                    true => document.set_format(spec.format),
                    false => (document.overcommit, document.ends_with_creator) = (None, None),
                }
                document
            }
        }
    };
}

session_documents! {
    /// Convert the frames of another session, instead of receiving or sending packets: `direction`, `port`,
    /// `video` and `flow` are then those of that session, and are left out, as are `source`,
    /// `frame_timeout_ms`, `overcommit` and `ends_with_creator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Convert>,
    /// Send only: source of the frames; `client` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Frames that one attachment may hold on loan at a time: 1 to 64, 4 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 64))]
    pub quota: Option<u32>,
    /// Attachments at a time: 1 to 128, 4 when absent. Local: one of them fills the frames, so at least 2.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 128))]
    pub max_attachments: Option<u32>,
    /// Shutdown priority: 0 to 100, 50 when absent. The daemon stops and destroys sessions with a
    /// lower number first.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(maximum = 100))]
    pub priority: Option<u32>,
    /// Receive only: close a frame as incomplete after this many milliseconds without a packet of
    /// it, and only then follow a sender that restarted: 1 to 10000; three frame times, at least
    /// 100, when absent. Longer for a path that delays packets by more, at the price of later
    /// incomplete frames.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 10_000))]
    pub frame_timeout_ms: Option<u32>,
    /// The daemon stops the session this many milliseconds after its creation: 1 to 31622400000.
    /// When absent, the daemon does not stop it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "onair_essence::whole::optional")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 31_622_400_000_u64))]
    pub duration_ms: Option<u64>,
    /// Restore the session when the daemon restarts, unless a user destroyed it; `false` when
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
    /// Parts of the session description (SDP) behind this body that the session does not have, for its
    /// readers. 32 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 32))]
    pub notes: Vec<DescriptionNote>,
    /// Place the session also on a poller that has no room for it: packets of all its sessions may be late
    /// or lost. For root and the role `operate`; `false` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overcommit: Option<bool>,
    /// Destroy the session when the client that created it on the attach socket has ended, or has closed its
    /// connection; of one created on the control socket, with `duration_ms`: when it is stopped. `false` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_with_creator: Option<bool>,
}

impl NewSessionDocument {
    /// Whether it has only fields that a local session has.
    ///
    /// # Errors
    /// The others.
    pub(super) fn check_local(&self) -> Result<(), SpecErrors> {
        let of_packets = self.others_of_packets().chain(self.more_of_packets());
        let given = of_packets.filter(|(field, is_given)| *is_given && *field != "direction");
        let wrong = || Invalid::OfWire.to_string();
        let errors: Vec<_> = given
            .map(|(field, _)| SpecError::new(field, wrong()))
            .collect();
        match errors.is_empty() {
            true => Ok(()),
            false => Err(SpecErrors(errors)),
        }
    }

    /// The specification of a session of packets, or of a local one, which [`Self::check_local`] has checked.
    ///
    /// # Errors
    /// The fields that are missing.
    pub(super) fn complete(mut self) -> Result<SpecDocument, SpecErrors> {
        if self.direction == Some(Direction::Local) {
            (self.port, self.flow) = (Some(String::new()), Some(FlowDocument::default()));
        }
        let missing = self.missing();
        let mut formats = self.take_formats();
        let given = self.direction.zip(self.port.take()).zip(self.flow.take());
        let Some(((direction, port), flow)) = given else {
            return Err(missing);
        };
        let Some(format) = formats.pop() else {
            return Err(missing);
        };
        if let Some(second) = formats.pop() {
            let (field, other) = (format.kind().name(), second.kind().name());
            let problem = format!("{other} is given, too: a session carries one of them");
            return Err(SpecErrors(vec![SpecError::new(field, problem)]));
        }
        Ok(self.of_packets(direction, port, (format, flow)))
    }

    /// Fields of packets that are missing: of the formats one is enough.
    fn missing(&self) -> SpecErrors {
        let lacks_format = !self.formats_given().any(|(_, is_given)| is_given);
        let of_formats = self.formats_given().filter(|_| lacks_format);
        let formats: Vec<_> = of_formats.map(|(field, _)| field).collect();
        let format = formats.first().map(|first| {
            let problem = format!("missing: a session has one of {}", formats.join(", "));
            SpecError::new(*first, problem)
        });
        let others = self.others_of_packets();
        let mut others = others.map(|(field, is_given)| {
            let missing = || SpecError::new(field, "missing");
            (!is_given).then(missing)
        });
        let flow = others.next_back().flatten();
        SpecErrors(others.flatten().chain(format).chain(flow).collect())
    }

    /// Fields of packets beside the formats, each with whether it is given.
    fn others_of_packets(&self) -> std::array::IntoIter<(&'static str, bool), 3> {
        [
            ("direction", self.direction.is_some()),
            ("port", self.port.is_some()),
            ("flow", self.flow.is_some()),
        ]
        .into_iter()
    }

    /// Fields that only a session of packets has.
    pub(super) fn given_of_packets(&self) -> impl Iterator<Item = &'static str> + use<> {
        let all = self.formats_given().chain(self.others_of_packets());
        let all = all.chain(self.more_of_packets());
        all.filter(|(_, is_given)| *is_given)
            .map(|(field, _)| field)
    }
}

impl NewSessionDocument {
    /// Fields of packets that may be absent, each with whether it is given.
    fn more_of_packets(&self) -> std::array::IntoIter<(&'static str, bool), 5> {
        [
            ("source", self.source.is_some()),
            ("frame_timeout_ms", self.frame_timeout_ms.is_some()),
            ("notes", !self.notes.is_empty()),
            ("overcommit", self.overcommit.is_some()),
            ("ends_with_creator", self.ends_with_creator.is_some()),
        ]
        .into_iter()
    }
}

impl From<SessionSpec> for SpecDocument {
    fn from(spec: SessionSpec) -> Self {
        let is_local = spec.is_local();
        let sends = spec.direction == Direction::Send;
        let sources = spec.flow.sources.iter().map(ToString::to_string);
        let sources: Vec<_> = sources.collect();
        // A sender always says 0.
        let offset = spec.flow.media_clock_offset.filter(|it| *it > 0 || !sends);
        let second = spec.flow.second;
        Self {
            name: spec.name.into(),
            direction: spec.direction,
            port: spec.port,
            format: spec.format.into(),
            flow: if is_local {
                FlowDocument::default()
            } else {
                FlowDocument {
                    destination: spec.flow.destination.to_string(),
                    source: spec.flow.source.map(|s| s.to_string()),
                    sources: (!sources.is_empty()).then_some(sources),
                    ttl: (sends || spec.flow.ttl != DEFAULT_TTL).then_some(spec.flow.ttl.into()),
                    dscp: sends.then_some(u32::from(spec.flow.dscp)),
                    payload_type: Some(u32::from(spec.flow.payload_type)),
                    media_clock_offset: offset,
                    reference_clock: spec.flow.reference_clock,
                    second_leg: second.map(|leg| LegDocument::of(leg, spec.direction)),
                }
            },
            convert: spec.convert,
            source: spec.source,
            quota: Some(spec.quota),
            max_attachments: Some(spec.max_attachments),
            priority: Some(u32::from(spec.priority)),
            frame_timeout_ms: spec.frame_timeout_ms,
            duration_ms: spec.duration_ms,
            persistent: spec.persistent.then_some(true),
            notes: spec.notes,
            overcommit: spec.overcommit.then_some(true),
            ends_with_creator: spec.ends_with_creator.then_some(true),
            connected: spec.connected,
        }
    }
}
