//! A change of a session's addresses, and of its packets' timing, while it exists.

use serde::{Deserialize, Serialize};

use super::{DescriptionNote, LegPatch, SessionSpec, SpecDocument, SpecError, SpecErrors};

onair_essence::with_essences! {
    /// Body of `PATCH /v1/sessions/{id}`: fields that are absent stay as they are.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    pub struct SessionPatch {
        {
            /// Addresses and payload type.
            #[serde(default)]
            pub flow: FlowPatch,
        }
        /// The timing of the packets.
        #[serde(default, skip_serializing_if = "is_default")]
        each patch
        {
            /// Parts of the description of the new addresses that the session does not have, instead of those of the
            /// one before.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub notes: Option<Vec<DescriptionNote>>,
            /// A note of the connection, at most 16 KiB, by a controller's bridge in its own words; `null`: none. A
            /// change of addresses without it forgets it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[serde(deserialize_with = "onair_essence::whole::present")]
            #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, max_length = 16_384))]
            pub connected: Option<Option<String>>,
            /// When the session changes, by the clock of send sessions (ns of TAI), at most 10 s ahead: the unit that begins
            /// then is the first of the new addresses. The request is answered before. Absent: after the unit in transit.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[cfg_attr(feature = "openapi", schema(examples(1_795_942_149_000_000_000_u64)))]
            pub at_tai_ns: Option<u64>,
            /// Whether the session runs afterwards. `false`: it stops first, and changes when its poller has handed it
            /// back. `true`: it changes first, and then starts. If the changes are refused, it neither stops nor starts.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub running: Option<bool>,
            /// Receive, running: leave the multicast groups that stay, and join them again, as if the session had just
            /// come to them. The second leg follows when the first one has packets again.
            #[serde(default, skip_serializing_if = "is_default")]
            pub rejoin: bool,
        }
    }
}

fn is_default<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}

onair_essence::document! {
    /// The changed addresses; each field as in the session's specification.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    pub struct FlowPatch {
        /// Destination of the packets, `IPv4:port` or `[IPv6]:port`.
        #[cfg_attr(feature = "openapi", schema(examples("239.1.1.1:5004")))]
        pub destination: Option<String>,
        /// `IP`, `IPv4:port` or `[IPv6]:port`. It replaces `sources`, too. `null`: receive from any source; send from
        /// the destination's UDP port.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, examples("10.77.0.1")))]
        pub source: Option<Option<String>>,
        /// Receive: these sources only. They replace `source`, too. `null`: any source.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
        pub sources: Option<Option<Vec<String>>>,
        /// Time to live of the packets. Receive: what the sender says.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 255))]
        pub ttl: Option<u32>,
        /// Send: differentiated services code point of the packets.
        #[cfg_attr(feature = "openapi", schema(maximum = 63))]
        pub dscp: Option<u32>,
        /// RTP payload type.
        #[cfg_attr(feature = "openapi", schema(maximum = 127))]
        pub payload_type: Option<u32>,
        /// Ticks that the sender adds to its RTP timestamps.
        #[cfg_attr(feature = "openapi", schema(maximum = 4_294_967_295_u32, examples(2_911_906_980_u32)))]
        pub media_clock_offset: Option<u32>,
        /// Receive: the clock behind the sender's timestamps; `null`: it is unknown.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        pub reference_clock: Option<Option<String>>,
        /// The second leg of a session that has two.
        pub second_leg: Option<LegPatch>,
    }
}

impl SessionPatch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let at_any_time = Self {
            at_tai_ns: self.at_tai_ns,
            ..Self::default()
        };
        *self == at_any_time
    }

    /// Whether it changes nothing but what a controller's bridge keeps.
    #[must_use]
    pub fn only_connects(&self) -> bool {
        let connected = self.connected.clone();
        self.connected.is_some()
            && *self
                == Self {
                    connected,
                    ..Self::default()
                }
    }

    /// The specification with the changes.
    ///
    /// # Errors
    /// The invalid fields, also those that are invalid in their combination.
    pub fn apply(&self, spec: &SessionSpec) -> Result<SessionSpec, SpecErrors> {
        let mut document = SpecDocument::from(spec.clone());
        let before = document.flow.clone();
        let (flow, patch) = (&mut document.flow, &self.flow);
        if let Some(destination) = &patch.destination {
            flow.destination.clone_from(destination);
        }
        if patch.source.is_some() || patch.sources.is_some() {
            flow.source = patch.source.clone().flatten();
            flow.sources = patch.sources.clone().flatten();
        }
        flow.ttl = patch.ttl.or(flow.ttl);
        flow.dscp = patch.dscp.or(flow.dscp);
        flow.payload_type = patch.payload_type.or(flow.payload_type);
        if let Some(clock) = &patch.reference_clock {
            flow.reference_clock.clone_from(clock);
        }
        flow.media_clock_offset = patch.media_clock_offset.or(flow.media_clock_offset);
        if let Some(patch) = &patch.second_leg {
            let Some(leg) = &mut flow.second_leg else {
                let problem = "the session has one leg: create one with two";
                return Err(SpecErrors(vec![SpecError::new("flow.second_leg", problem)]));
            };
            patch.apply(leg);
        }
        if let Some(notes) = &self.notes {
            document.notes.clone_from(notes);
        }
        match &self.connected {
            Some(connected) => document.connected.clone_from(connected),
            None if document.flow != before => document.connected = None,
            None => {}
        }
        if let Err(other) = self.apply_to(&mut document.format) {
            let problem = format!(
                "the session has {} and no {other}",
                spec.format.kind().name()
            );
            return Err(SpecErrors(vec![SpecError::new(other, problem)]));
        }
        document.try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_essence::video::SenderType;
    use serde_json::{Value, json};

    fn patched(direction: &str, flow: Value, patch: Value) -> Result<SessionSpec, SpecErrors> {
        let spec = json!({"name": "cam1", "direction": direction, "port": "a",
            "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
            "flow": flow});
        let spec: SessionSpec = serde_json::from_value(spec).unwrap();
        let patch: SessionPatch = serde_json::from_value(json!({ "flow": patch })).unwrap();
        let sent = serde_json::to_value(&patch).unwrap();
        assert_eq!(serde_json::from_value::<SessionPatch>(sent).unwrap(), patch);
        patch.apply(&spec)
    }

    #[test]
    fn patch_of_some_fields_then_the_others_stay() {
        let flow =
            json!({"destination": "239.0.0.1:5004", "source": "10.0.0.1", "payload_type": 97});
        let moved = patched(
            "receive",
            flow.clone(),
            json!({"destination": "239.0.0.2:6000"}),
        );
        let moved = moved.unwrap().flow;
        assert_eq!(moved.destination.to_string(), "239.0.0.2:6000");
        assert_eq!((moved.accepted().count(), moved.payload_type), (1, 97));
        for (patch, sources) in [
            (json!({"source": null}), 0),
            (json!({"sources": null}), 0),
            (json!({"sources": ["10.0.0.2", "10.0.0.3"]}), 2),
            (json!({"source": "10.0.0.9"}), 1),
            (json!({}), 1),
        ] {
            let spec = patched("receive", flow.clone(), patch).unwrap();
            assert_eq!(spec.flow.accepted().count(), sources);
        }
        let sent = patched(
            "send",
            json!({"destination": "10.0.0.2:1"}),
            json!({"ttl": 3, "dscp": 0}),
        );
        let sent = sent.unwrap().flow;
        assert_eq!((sent.ttl, sent.dscp, sent.payload_type), (3, 0, 96));
    }

    #[test]
    fn patch_of_the_media_clock_then_kept_until_it_is_0() {
        let flow =
            json!({"destination": "239.0.0.1:5004", "media_clock_offset": 2_911_906_980_u32});
        for (patch, offset) in [
            (json!({"destination": "239.0.0.2:5004"}), 2_911_906_980),
            (json!({"media_clock_offset": 0}), 0),
        ] {
            let spec = patched("receive", flow.clone(), patch).unwrap();
            assert_eq!(spec.flow.media_clock_offset, Some(offset));
            let text = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<SessionSpec>(&text).unwrap(), spec);
        }
    }

    #[test]
    fn connected_then_kept_until_the_addresses_change_without_it() {
        let flow = json!({"destination": "239.0.0.1:5004"});
        let mut spec = patched("receive", flow, json!({})).unwrap();
        let other = json!({"destination": "239.0.0.2:5004"});
        for (patch, kept) in [
            (json!({"connected": "a"}), Some("a")),
            (json!({"flow": {"payload_type": 96}}), Some("a")),
            (
                json!({"flow": {"destination": "239.0.0.1:5004"}}),
                Some("a"),
            ),
            (json!({"flow": other, "connected": "b"}), Some("b")),
            (json!({"flow": {"destination": "239.0.0.3:5004"}}), None),
            (json!({"connected": "c"}), Some("c")),
            (json!({"connected": null}), None),
        ] {
            let patch: SessionPatch = serde_json::from_value(patch).unwrap();
            spec = patch.apply(&spec).unwrap();
            assert_eq!(spec.connected.as_deref(), kept, "{patch:?}");
            assert_eq!(patch.only_connects(), patch.flow == FlowPatch::default());
        }
        let connected = Some(Some("x".repeat(crate::MAX_CONNECTED + 1)));
        let long = SessionPatch {
            connected,
            ..SessionPatch::default()
        };
        assert_eq!(long.apply(&spec).unwrap_err().0[0].field, "connected");
    }

    #[test]
    fn patch_of_the_timing_then_the_addresses_stay_and_null_is_none() {
        let spec = |direction: &str| -> SessionSpec {
            let spec = json!({"name": "cam1", "direction": direction, "port": "a",
                "video": {"width": 1280, "height": 720, "frame_rate": "50", "depth": 10,
                    "sender_type": "narrow", "tr_offset_us": 700, "cmax": 3},
                "flow": {"destination": "10.0.0.2:1"}});
            serde_json::from_value(spec).unwrap()
        };
        let timing = |spec: &SessionSpec| {
            let video = spec.format.video().unwrap();
            (video.sender_type, video.tr_offset_us, video.cmax)
        };
        let narrow = Some(SenderType::Narrow);
        for (direction, patch, expected) in [
            ("receive", json!({}), (narrow, Some(700), Some(3))),
            (
                "receive",
                json!({"tr_offset_us": 0}),
                (narrow, Some(0), Some(3)),
            ),
            (
                "receive",
                json!({"sender_type": null, "tr_offset_us": null, "cmax": null}),
                (None, None, None),
            ),
            (
                "send",
                json!({"sender_type": null, "cmax": 4}),
                (Some(SenderType::Wide), Some(700), Some(4)),
            ),
        ] {
            let patch: SessionPatch = serde_json::from_value(json!({ "video": patch })).unwrap();
            let before = spec(direction);
            let after = patch.apply(&before).unwrap();
            assert_eq!((timing(&after), &after.flow), (expected, &before.flow));
            assert_eq!(patch.is_empty(), after == before);
        }
        let late: SessionPatch =
            serde_json::from_value(json!({"video": {"tr_offset_us": 20_000}})).unwrap();
        let errors = late.apply(&spec("receive")).unwrap_err().0;
        assert_eq!(errors[0].field, "video.tr_offset_us");
    }

    #[test]
    fn patch_that_makes_the_whole_invalid_then_the_field_is_named() {
        let flow = json!({"destination": "232.0.0.1:5004", "source": "10.0.0.1"});
        for (patch, field) in [
            (json!({"source": null}), "flow.source"),
            (json!({"destination": "224.0.0.1:5004"}), "flow.destination"),
            (json!({"ttl": 0}), "flow.ttl"),
            (json!({"payload_type": 72}), "flow.payload_type"),
        ] {
            let errors = patched("receive", flow.clone(), patch).unwrap_err().0;
            assert_eq!(errors[0].field, field, "{errors:?}");
        }
        for unknown in [
            json!({"flow": {"port": 1}}),
            json!({"video": {"width": 1}}),
            json!({"video": {"cmax": "x"}}),
        ] {
            assert!(serde_json::from_value::<SessionPatch>(unknown).is_err());
        }
    }
}
