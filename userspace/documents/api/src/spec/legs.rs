//! The second leg of a session (ST 2022-7).

use onair_essence::invalid::Problems;
use onair_essence::legs::Class;
use serde::{Deserialize, Serialize};

use super::Direction;
use super::bounds::{check_group, check_payload_type, check_port, check_sources};
use super::flow::{SecondLeg, check_family, parse_destination, parse_source};
use super::invalid::Invalid;

onair_essence::document! {
    /// The second leg of the packets (ST 2022-7): the same RTP packets over another network. Which arrives first
    /// is used.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    #[cfg_attr(feature = "openapi", schema(as = SecondLeg))]
    pub struct LegDocument {
        /// Name of the leg's port: another one than `port`, with a poller that both ports have.
        #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Za-z0-9._-]{1,63}$", examples("b")))]
        pub port: String,
        /// Destination of the leg's packets, as `flow.destination`.
        #[cfg_attr(feature = "openapi", schema(examples("239.2.1.1:5004")))]
        pub destination: String,
        /// The leg's source, as `flow.source`.
        #[cfg_attr(feature = "openapi", schema(examples("10.78.0.1")))]
        pub source: Option<String>,
        /// Receive: the leg's sources, as `flow.sources`.
        #[cfg_attr(feature = "openapi", schema(max_items = 16))]
        pub sources: Option<Vec<String>>,
        /// The leg's RTP payload type; absent: `flow.payload_type`.
        #[cfg_attr(feature = "openapi", schema(maximum = 127))]
        pub payload_type: Option<u32>,
        /// Receive: how far the legs may be apart: `a`, 10 ms, when absent; `b`, 50 ms; `c`, 150 ms, or 450 ms
        /// below 270 Mb/s; `d`, 0.15 ms.
        pub class: Option<Class>,
    }
}

/// Checks the leg of a session whose first leg is on `port`.
pub(super) fn check_leg(
    direction: Direction,
    port: &str,
    leg: &LegDocument,
    p: &mut Problems,
) -> Option<SecondLeg> {
    let own = check_port(leg.port.clone()).and_then(|own| match own == port {
        true => Err(Invalid::OnePort),
        false => Ok(own),
    });
    let own = p.take("flow.second_leg.port", own);
    let destination = parse_destination(&leg.destination);
    let destination = p.take("flow.second_leg.destination", destination);
    let source = leg.source.as_deref().map(parse_source).transpose();
    let source = p.take("flow.second_leg.source", source);
    let sources = check_sources(direction, leg.source.as_ref(), leg.sources.as_ref());
    let sources = p.take("flow.second_leg.sources", sources);
    if let (Some(destination), Some(None), Some(sources)) = (destination, source, &sources) {
        let is_named = direction == Direction::Send || !sources.is_empty();
        let group = check_group(destination.ip(), is_named);
        p.take("flow.second_leg.source", group);
    }
    if let (Some(to), Some(one), Some(all)) = (destination, source, &sources) {
        let families = check_family(to, one.iter().chain(all));
        p.take("flow.second_leg.source", families);
    }
    let of_leg = |it| check_payload_type(direction, it);
    let payload_type = leg.payload_type.map(of_leg).transpose();
    let payload_type = p.take("flow.second_leg.payload_type", payload_type);
    let class = match (direction, leg.class) {
        (Direction::Send, Some(_)) => Err(Invalid::ClassOfSender),
        (_, class) => Ok(class.unwrap_or_default()),
    };
    let class = p.take("flow.second_leg.class", class);
    Some(SecondLeg {
        port: own?,
        destination: destination?,
        source: source?,
        sources: sources?,
        payload_type: payload_type?,
        class: class?,
    })
}

impl LegDocument {
    /// The document of a checked leg.
    pub(super) fn of(leg: SecondLeg, direction: Direction) -> Self {
        let sources: Vec<_> = leg.sources.iter().map(ToString::to_string).collect();
        Self {
            port: leg.port,
            destination: leg.destination.to_string(),
            source: leg.source.map(|it| it.to_string()),
            sources: (!sources.is_empty()).then_some(sources),
            payload_type: leg.payload_type.map(u32::from),
            class: (direction == Direction::Receive).then_some(leg.class),
        }
    }
}

onair_essence::document! {
    /// The changed addresses of the second leg; each field as in the session's specification.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
    #[serde(deny_unknown_fields)]
    pub struct LegPatch {
        /// Destination of the leg's packets, `IPv4:port` or `[IPv6]:port`.
        #[cfg_attr(feature = "openapi", schema(examples("239.2.1.1:5004")))]
        pub destination: Option<String>,
        /// `IP`, `IPv4:port` or `[IPv6]:port`. It replaces `sources`, too. `null`: as `flow.source`.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, examples("10.78.0.1")))]
        pub source: Option<Option<String>>,
        /// Receive: these sources only. They replace `source`, too. `null`: any source.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
        pub sources: Option<Option<Vec<String>>>,
        /// The leg's RTP payload type. `null`: that of the first leg.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>, maximum = 127))]
        pub payload_type: Option<Option<u32>>,
    }
}

impl LegPatch {
    /// Changes the document of a leg.
    pub(super) fn apply(&self, leg: &mut LegDocument) {
        if let Some(destination) = &self.destination {
            leg.destination.clone_from(destination);
        }
        if self.source.is_some() || self.sources.is_some() {
            leg.source = self.source.clone().flatten();
            leg.sources = self.sources.clone().flatten();
        }
        if let Some(payload_type) = self.payload_type {
            leg.payload_type = payload_type;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::spec::{SessionPatch, SessionSpec, SpecDocument, SpecErrors};

    fn check(direction: &str, leg: Value) -> Result<SessionSpec, SpecErrors> {
        let spec = json!({"name": "cam1", "direction": direction, "port": "a",
            "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
            "flow": {"destination": "239.1.0.1:5004", "second_leg": leg}});
        serde_json::from_value::<SpecDocument>(spec)
            .unwrap()
            .try_into()
    }

    fn leg() -> Value {
        json!({"port": "b", "destination": "239.2.0.1:5004"})
    }

    #[test]
    fn spec_of_two_legs_to_json_and_back_then_same() {
        let mut given = leg();
        given["sources"] = json!(["10.78.0.1", "10.78.0.2:5000"]);
        given["class"] = json!("c");
        given["payload_type"] = json!(97);
        let spec = check("receive", given).unwrap();
        let second = spec.flow.second.as_ref().unwrap();
        assert_eq!((second.accepted().count(), second.class), (2, Class::C));
        let types = spec.flow.payload_types();
        assert_eq!((types.first, types.second), (96, 97));
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<SessionSpec>(&text).unwrap(), spec);
        let plain = check("receive", leg()).unwrap().flow;
        assert_eq!(plain.payload_types(), 96.into());
        assert_eq!(plain.second.unwrap().class, Class::A);
    }

    #[test]
    fn spec_of_two_legs_one_wrong_field_then_it_is_named() {
        for (direction, field, value) in [
            ("receive", "port", json!("a")),
            ("receive", "port", json!("")),
            ("receive", "destination", json!("nowhere")),
            ("receive", "destination", json!("224.0.0.1:5004")),
            ("receive", "source", json!("239.0.0.1")),
            ("receive", "sources", json!(["x"])),
            ("receive", "payload_type", json!(76)),
            ("send", "payload_type", json!(95)),
            ("send", "class", json!("a")),
            ("send", "sources", json!(["10.78.0.1"])),
        ] {
            let mut given = leg();
            given[field] = value;
            let errors = check(direction, given).unwrap_err().0;
            let fields: Vec<_> = errors.iter().map(|it| it.field.as_str()).collect();
            assert_eq!(fields, [format!("flow.second_leg.{field}")]);
        }
        let mut given = leg();
        given["destination"] = json!("232.0.0.1:5004");
        let errors = check("receive", given).unwrap_err().0;
        assert_eq!(errors[0].field, "flow.second_leg.source");
    }

    #[test]
    fn patch_of_the_second_leg_then_the_first_stays() {
        let patch = |flow: Value| -> SessionPatch {
            let patch: SessionPatch = serde_json::from_value(json!({ "flow": flow })).unwrap();
            let sent = serde_json::to_value(&patch).unwrap();
            assert_eq!(serde_json::from_value::<SessionPatch>(sent).unwrap(), patch);
            patch
        };
        let before = check("receive", leg()).unwrap();
        let change = patch(json!({"second_leg": {"destination": "239.2.0.9:6000"}}));
        let after = change.apply(&before).unwrap();
        let second = after.flow.second.unwrap();
        assert_eq!(second.destination.to_string(), "239.2.0.9:6000");
        assert_eq!(
            (second.port.as_str(), after.flow.destination),
            ("b", before.flow.destination)
        );
        let mut single = before;
        single.flow.second = None;
        let errors = change.apply(&single).unwrap_err().0;
        assert_eq!(errors[0].field, "flow.second_leg");
    }
}
