//! Converts a document to the checked specification and reports every invalid field.

use onair_essence::invalid::Problems;
use onair_essence::{Format, FormatDocument};

use super::MAX_CONNECTED;
use super::bounds::{
    check_attachments, check_duration, check_group, check_payload_type, check_port, check_priority,
    check_quota, check_sources, within,
};
use super::convert::check_layout;
use super::document::FlowDocument;
use super::flow::{Flow, check_family, parse_destination, parse_source};
use super::invalid::Invalid;
use super::legs::check_leg;
use super::note::check_notes;
use super::{
    DEFAULT_DSCP, DEFAULT_PAYLOAD_TYPE, DEFAULT_TTL, Direction, MAX_DSCP, MAX_FRAME_TIMEOUT_MS,
    SessionSpec, Source, SpecDocument, SpecErrors,
};
use crate::id::SessionName;

impl TryFrom<SpecDocument> for SessionSpec {
    type Error = SpecErrors;

    fn try_from(document: SpecDocument) -> Result<Self, SpecErrors> {
        let mut problems = Problems::default();
        let p = &mut problems;
        let name = p.take("name", document.name.parse::<SessionName>());
        let is_local = document.direction == Direction::Local;
        let port = match is_local {
            true => p.take("port", no_wire(&document.port)),
            false => p.take("port", check_port(document.port)),
        };
        let format = check_format(document.direction, document.format, p);
        let first = port.as_deref().unwrap_or_default();
        let flow = match is_local {
            true => p
                .take("flow", no_wire(&document.flow))
                .map(|_| Flow::none()),
            false => check_flow(document.direction, first, &document.flow, p),
        };
        if let Some(convert) = &document.convert {
            p.take("convert.layout", check_layout(&convert.layout));
            if document.direction != Direction::Receive {
                p.take::<(), _>("direction", Err(Invalid::ConvertedSender));
            }
        }
        let source = p.take("source", check_source(document.direction, document.source));
        let quota = p.take("quota", check_quota(document.quota));
        let attachments = check_attachments(document.max_attachments);
        let attachments = attachments.and_then(|most| match is_local && most < 2 {
            true => Err(Invalid::OneAttachment(most)),
            false => Ok(most),
        });
        let max_attachments = p.take("max_attachments", attachments);
        let priority = p.take("priority", check_priority(document.priority));
        let frame_timeout_ms = p.take(
            "frame_timeout_ms",
            check_frame_timeout(document.direction, document.frame_timeout_ms),
        );
        let duration_ms = p.take("duration_ms", check_duration(document.duration_ms));
        let notes = p.take("notes", check_notes(document.notes));
        let connected = document.connected;
        let is_short = connected
            .as_ref()
            .is_none_or(|it| it.len() <= MAX_CONNECTED);
        let connected = is_short.then_some(connected).ok_or(Invalid::Connected);
        let connected = p.take("connected", connected);
        let checked = (|| {
            Some(Self {
                name: name?,
                direction: document.direction,
                port: port?,
                format: format?,
                flow: flow?,
                convert: document.convert,
                source: source?,
                quota: quota?,
                max_attachments: max_attachments?,
                priority: priority?,
                frame_timeout_ms: frame_timeout_ms?,
                duration_ms: duration_ms?,
                persistent: document.persistent.unwrap_or_default(),
                notes: notes?,
                overcommit: document.overcommit.unwrap_or_default(),
                ends_with_creator: document.ends_with_creator.unwrap_or_default(),
                connected: connected?,
            })
        })();
        checked
            .filter(|_| problems.is_empty())
            .ok_or(problems.into())
    }
}

/// Refuses a field that a local session does not have.
fn no_wire<T: Default + PartialEq>(given: &T) -> Result<T, Invalid> {
    match *given == T::default() {
        true => Ok(T::default()),
        false => Err(Invalid::OfWire),
    }
}

fn check_format(
    direction: Direction,
    document: FormatDocument,
    p: &mut Problems,
) -> Option<Format> {
    match Format::try_from(document) {
        Ok(format) if direction == Direction::Send => Some(format.of_sender()),
        Ok(format) => Some(format),
        Err(errors) => {
            p.extend(errors);
            None
        }
    }
}

/// Most characters of [`FlowDocument::reference_clock`].
const REFERENCE_CLOCK: usize = 80;

fn check_reference_clock(
    direction: Direction,
    clock: Option<&str>,
) -> Result<Option<String>, Invalid> {
    let is_shown = |it: u8| (b' '..=b'~').contains(&it);
    match (direction, clock) {
        (_, None) => Ok(None),
        (Direction::Send, Some(_)) => Err(Invalid::ClockOfSender),
        (Direction::Receive | Direction::Local, Some(clock)) => {
            let is_valid =
                (1..=REFERENCE_CLOCK).contains(&clock.len()) && clock.bytes().all(is_shown);
            is_valid
                .then(|| Some(clock.to_owned()))
                .ok_or(Invalid::Clock)
        }
    }
}

/// Addresses, payload type and marking of the packets.
fn check_flow(
    direction: Direction,
    port: &str,
    flow: &FlowDocument,
    p: &mut Problems,
) -> Option<Flow> {
    let destination = p.take("flow.destination", parse_destination(&flow.destination));
    let flow_source = p.take(
        "flow.source",
        flow.source.as_deref().map(parse_source).transpose(),
    );
    let sources = p.take(
        "flow.sources",
        check_sources(direction, flow.source.as_ref(), flow.sources.as_ref()),
    );
    if let (Some(destination), Some(None), Some(sources)) = (destination, flow_source, &sources) {
        let is_named = direction == Direction::Send || !sources.is_empty();
        p.take("flow.source", check_group(destination.ip(), is_named));
    }
    if let (Some(to), Some(one), Some(all)) = (destination, flow_source, &sources) {
        p.take("flow.source", check_family(to, one.iter().chain(all)));
    }
    let of_sender = |given: Option<u32>| match (direction, given) {
        (Direction::Receive, Some(_)) => Err(Invalid::OfSender),
        _ => Ok(given),
    };
    let ttl = flow.ttl.unwrap_or(DEFAULT_TTL.into());
    let ttl = p.take("flow.ttl", within(ttl, 1..=255, " hops"));
    let dscp = of_sender(flow.dscp).and_then(|given| {
        within(
            given.unwrap_or(DEFAULT_DSCP.into()),
            0..=MAX_DSCP.into(),
            "",
        )
    });
    let dscp = p.take("flow.dscp", dscp);
    let payload_type = p.take(
        "flow.payload_type",
        flow.payload_type.map_or(Ok(DEFAULT_PAYLOAD_TYPE), |it| {
            check_payload_type(direction, it)
        }),
    );
    let reference_clock = check_reference_clock(direction, flow.reference_clock.as_deref());
    let reference_clock = p.take("flow.reference_clock", reference_clock);
    let second = match &flow.second_leg {
        Some(leg) => Some(check_leg(direction, port, leg, p)?),
        None => None,
    };
    Some(Flow {
        destination: destination?,
        source: flow_source?,
        sources: sources?,
        payload_type: payload_type?,
        ttl: narrow(ttl?),
        dscp: narrow(dscp?),
        media_clock_offset: flow.media_clock_offset,
        reference_clock: reference_clock?,
        second,
    })
}

/// A number that was checked to fit.
fn narrow(checked: u32) -> u8 {
    u8::try_from(checked).expect("checked to be at most 255")
}

fn check_frame_timeout(direction: Direction, ms: Option<u32>) -> Result<Option<u32>, Invalid> {
    match (direction, ms) {
        (_, None) => Ok(None),
        (Direction::Send, Some(_)) => Err(Invalid::OfReceiver),
        (Direction::Local, Some(_)) => Err(Invalid::OfWire),
        (Direction::Receive, Some(ms)) => {
            within(ms, 1..=MAX_FRAME_TIMEOUT_MS, " milliseconds").map(Some)
        }
    }
}

fn check_source(direction: Direction, source: Option<Source>) -> Result<Option<Source>, Invalid> {
    match (direction, source) {
        (Direction::Send, source) => Ok(Some(source.unwrap_or(Source::Client))),
        (Direction::Receive | Direction::Local, None) => Ok(None),
        (Direction::Receive, Some(source)) => Err(Invalid::Source(source)),
        (Direction::Local, Some(_)) => Err(Invalid::OfWire),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_DURATION_MS, MAX_SOURCES};
    use super::*;
    use onair_essence::video::SenderType;
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({"name": "cam1", "direction": "send", "port": "a",
               "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
               "flow": {"destination": "10.77.0.2:5004"}})
    }

    fn check(value: Value) -> Result<SessionSpec, SpecErrors> {
        serde_json::from_value::<SpecDocument>(value)
            .unwrap()
            .try_into()
    }

    #[test]
    fn spec_minimal_then_defaults_filled_in() {
        let spec = check(good()).unwrap();
        assert_eq!((spec.quota, spec.max_attachments), (4, 4));
        assert_eq!(spec.flow.payload_type, 96);
        assert_eq!(spec.source, Some(Source::Client));
        let video = spec.format.video().unwrap();
        assert_eq!(video.sender_type, Some(SenderType::Wide));
        assert_eq!(spec.flow.source, None);
    }

    #[test]
    fn spec_local_then_without_what_packets_have() {
        let local = json!({"name": "mix", "direction": "local", "max_attachments": 2,
               "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10}});
        let spec = check(local.clone()).unwrap();
        assert!(spec.is_local() && !spec.has_packets());
        let text = serde_json::to_string(&spec).unwrap();
        assert!(!text.contains("port") && !text.contains("flow"), "{text}");
        assert_eq!(serde_json::from_str::<SessionSpec>(&text).unwrap(), spec);
        for (field, value) in [
            ("port", json!("a")),
            ("flow", json!({"destination": "10.77.0.2:5004"})),
            ("source", json!("client")),
            ("frame_timeout_ms", json!(100)),
            ("max_attachments", json!(1)),
        ] {
            let mut spec = local.clone();
            spec[field] = value;
            let errors = check(spec).unwrap_err().0;
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert_eq!(errors[0].field, field);
        }
    }

    #[test]
    fn spec_to_json_and_back_then_same() {
        let mut value = good();
        value["flow"]["source"] = json!("10.77.0.1");
        value["source"] = json!("pattern");
        let spec = check(value).unwrap();
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<SessionSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn addresses_of_ipv6_then_of_one_family_with_a_source() {
        let with = |direction: &str, destination: &str, source: Value| {
            let mut spec = good();
            spec["direction"] = json!(direction);
            spec["flow"] = json!({"destination": destination, "source": source});
            check(spec).map_err(|errors| errors.0[0].field.clone())
        };
        let group = "[ff3e::8000:1]:5004";
        for (destination, source) in [
            ("[fd00::2]:5004", json!(null)),
            ("[fe80::2]:5004", json!(null)),
            ("[ff15::1]:5004", json!(null)),
            (group, json!("fd00::1")),
            (group, json!("[fd00::1]:5000")),
        ] {
            let spec = with("receive", destination, source.clone()).unwrap();
            assert_eq!(spec.flow.destination.to_string(), destination);
            let text = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<SessionSpec>(&text).unwrap(), spec);
        }
        for (destination, source) in [
            (group, json!(null)),
            (group, json!("10.0.0.1")),
            ("239.1.2.3:5004", json!("fd00::1")),
            (group, json!("ff15::1")),
        ] {
            let refused = with("receive", destination, source);
            assert_eq!(refused.unwrap_err(), "flow.source", "{destination}");
        }
    }

    #[test]
    fn spec_one_wrong_field_then_that_field_is_named() {
        let cases = [
            ("/name", json!("Cam 1"), "name"),
            ("/name", json!("0123456789abcdef"), "name"),
            ("/port", json!(""), "port"),
            ("/video/width", json!(1281), "video.width"),
            ("/video/width", json!(32_768), "video.width"),
            ("/video/width", json!(0), "video.width"),
            ("/video/height", json!(0), "video.height"),
            ("/video/height", json!(32_768), "video.height"),
            ("/video/frame_rate", json!("59.94"), "video.frame_rate"),
            ("/video/depth", json!(14), "video.depth"),
            ("/flow/destination", json!("10.77.0.2"), "flow.destination"),
            (
                "/flow/destination",
                json!("10.77.0.2:0"),
                "flow.destination",
            ),
            (
                "/flow/destination",
                json!("224.0.0.251:5004"),
                "flow.destination",
            ),
            (
                "/flow/destination",
                json!("239.0.0.1:0"),
                "flow.destination",
            ),
            ("/flow/destination", json!("[::1]:5004"), "flow.destination"),
            ("/flow/destination", json!("fd00::2"), "flow.destination"),
            (
                "/flow/destination",
                json!("[ff02::7]:5004"),
                "flow.destination",
            ),
            (
                "/flow/destination",
                json!("[fe80::1%2]:5004"),
                "flow.destination",
            ),
            (
                "/flow/destination",
                json!("[::ffff:10.0.0.2]:5004"),
                "flow.destination",
            ),
        ];
        for (pointer, value, field) in cases {
            let mut spec = good();
            *spec.pointer_mut(pointer).unwrap() = value.clone();
            let errors = check(spec).unwrap_err().0;
            assert_eq!(errors.len(), 1, "{pointer} = {value}: {errors:?}");
            assert_eq!(errors[0].field, field);
        }
        for (field, value) in [
            ("quota", json!(0)),
            ("quota", json!(65)),
            ("max_attachments", json!(129)),
            ("priority", json!(101)),
            ("priority", json!(300)),
            ("duration_ms", json!(0)),
            ("frame_timeout_ms", json!(100)),
            ("duration_ms", json!(MAX_DURATION_MS + 1)),
        ] {
            let mut spec = good();
            spec[field] = value;
            assert_eq!(check(spec).unwrap_err().0[0].field, field);
        }
        for (field, value) in [
            ("source", json!("x")),
            ("source", json!("0.0.0.0")),
            ("payload_type", json!(95)),
            ("payload_type", json!(300)),
            ("source", json!("239.0.0.1")),
            ("sources", json!(["10.0.0.1"])),
            ("ttl", json!(0)),
            ("ttl", json!(256)),
            ("dscp", json!(64)),
        ] {
            let mut spec = good();
            spec["flow"][field] = value;
            assert_eq!(check(spec).unwrap_err().0[0].field, format!("flow.{field}"));
        }
    }

    #[test]
    fn spec_many_wrong_fields_then_all_are_named() {
        let mut spec = good();
        spec["name"] = json!("");
        spec["video"]["width"] = json!(3);
        spec["flow"]["destination"] = json!("nowhere");
        let errors = check(spec).unwrap_err();
        let fields: Vec<_> = errors.0.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(fields, ["name", "video.width", "flow.destination"]);
        assert!(
            errors
                .to_string()
                .contains("; flow.destination: \"nowhere\"")
        );
    }

    #[test]
    fn spec_receive_with_a_source_then_refused() {
        let mut spec = good();
        spec["direction"] = json!("receive");
        let checked = check(spec.clone()).unwrap();
        let video = checked.format.video().unwrap();
        assert_eq!((checked.source, video.sender_type), (None, None));
        for (ms, is_valid) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            spec["frame_timeout_ms"] = json!(ms);
            let checked = check(spec.clone()).map(|spec| spec.frame_timeout_ms);
            assert_eq!(checked.ok(), is_valid.then_some(Some(ms)));
        }
        spec["frame_timeout_ms"] = json!(null);
        spec["source"] = json!("pattern");
        assert_eq!(check(spec).unwrap_err().0[0].field, "source");
    }

    #[test]
    fn spec_of_a_group_then_with_its_sources() {
        let group = |destination: &str, flow: Value| {
            let mut spec = good();
            spec["direction"] = json!("receive");
            spec["flow"] = flow;
            spec["flow"]["destination"] = json!(destination);
            check(spec)
        };
        let any = group("239.0.0.1:5004", json!({})).unwrap();
        assert_eq!(
            (any.flow.group(), any.flow.accepted().count()),
            (Some([239, 0, 0, 1].into()), 0)
        );
        let two = json!({"sources": ["10.0.0.1", "10.0.0.2:5000"]});
        let two = group("232.0.0.1:5004", two).unwrap();
        assert_eq!(two.flow.accepted().count(), 2);
        let text = serde_json::to_string(&two).unwrap();
        assert_eq!(serde_json::from_str::<SessionSpec>(&text).unwrap(), two);
        let many: Vec<_> = (0..=MAX_SOURCES).map(|it| format!("10.0.0.{it}")).collect();
        for (flow, field) in [
            (json!({}), "flow.source"),
            (json!({"sources": []}), "flow.source"),
            (json!({"sources": many}), "flow.sources"),
            (json!({"sources": ["x"]}), "flow.sources"),
            (
                json!({"sources": ["10.0.0.1"], "source": "10.0.0.2"}),
                "flow.sources",
            ),
            (json!({"source": "10.0.0.2", "ttl": 0}), "flow.ttl"),
            (json!({"source": "10.0.0.2", "dscp": 1}), "flow.dscp"),
        ] {
            let errors = group("232.0.0.1:5004", flow).unwrap_err().0;
            assert_eq!(
                (errors.len(), errors[0].field.as_str()),
                (1, field),
                "{errors:?}"
            );
        }
    }

    #[test]
    fn spec_of_a_sender_then_with_time_to_live_and_code_point() {
        let mut spec = good();
        spec["flow"]["destination"] = json!("239.0.0.1:5004");
        let flow = check(spec.clone()).unwrap().flow;
        assert_eq!((flow.ttl, flow.dscp), (64, 34));
        spec["flow"]["ttl"] = json!(8);
        spec["flow"]["dscp"] = json!(0);
        let flow = check(spec).unwrap().flow;
        assert_eq!((flow.ttl, flow.dscp), (8, 0));
    }

    #[test]
    fn spec_of_a_receiver_then_with_what_its_sender_says() {
        let mut spec = good();
        spec["direction"] = json!("receive");
        let silent = check(spec.clone()).unwrap();
        spec["flow"]["ttl"] = json!(8);
        spec["flow"]["media_clock_offset"] = json!(0);
        let spec = check(spec).unwrap();
        assert_eq!((spec.flow.ttl, spec.flow.media_clock_offset), (8, Some(0)));
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<SessionSpec>(&text).unwrap(), spec);
        let text = serde_json::to_string(&silent).unwrap();
        assert!(
            !text.contains("ttl") && !text.contains("media_clock"),
            "{text}"
        );
    }

    #[test]
    fn spec_unknown_field_then_refused() {
        let mut spec = good();
        spec["vidoe"] = json!(1);
        let error = serde_json::from_value::<SpecDocument>(spec).unwrap_err();
        assert!(error.to_string().contains("vidoe"), "{error}");
    }
}
