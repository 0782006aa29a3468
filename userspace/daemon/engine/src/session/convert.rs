//! Converts between the API's types and the data plane's.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use onair_api::{
    Direction, Flow, Problem, ProblemCode, SecondLeg, SessionCounters, SessionId, SessionSpec,
    Source, SpecError, SpecErrors,
};
use onair_dataplane::{
    FlowTarget, FrameSource, LegTarget, MediaClock, PortInfo, ReceiveConfig, Runtime, RuntimeError,
    SecondSend, SendConfig, SessionStats,
};
use onair_essence::{Format, OfField as _};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{Geometry, VERSION};
use onair_ipc::message::Attached;

use super::attachment::{ClientProcess, Connected};
use super::{Session, converted};

/// Frames that a receive session assembles at the same time.
const UNDER_ASSEMBLY: u32 = 2;
/// Frames of a converted session that its filler has at a time.
const UNDER_CONVERSION: u32 = 1;
/// Frames of a local or converted session that a submission leaves free.
const BESIDE_SUBMITTED: u32 = 1;

/// Memory layout of the session. A reader can use its whole quota without taking a frame from
/// another reader; a sender's client can fill its quota of frames.
pub(super) fn geometry(spec: &SessionSpec) -> Geometry {
    let of_clients = spec.quota * spec.max_attachments;
    let of_packets = spec.format.unit_bytes();
    let (frames, bytes) = match (converted::buffer_bytes(spec), spec.direction) {
        (Some(bytes), _) => (UNDER_CONVERSION + BESIDE_SUBMITTED + of_clients, bytes),
        (None, Direction::Receive) => (UNDER_ASSEMBLY + of_clients, of_packets),
        (None, Direction::Send) => (spec.quota, of_packets),
        (None, Direction::Local) => (BESIDE_SUBMITTED + of_clients, of_packets),
    };
    u32::try_from(bytes)
        .ok()
        .and_then(|bytes| Geometry::new(frames, bytes))
        .expect("a checked specification has 1 to 8194 frames of at most 256 MiB")
}

/// Whether the ports can serve the flow's addresses, `second` those of the second leg.
pub(super) fn check_addresses(
    spec: &SessionSpec,
    port: &PortInfo,
    second: Option<&PortInfo>,
) -> Result<(), Problem> {
    let mut errors = Vec::new();
    let flow = &spec.flow;
    let source = flow.source.map(|it| it.address);
    check_leg(
        spec.direction,
        "flow",
        (flow.destination, source),
        port,
        &mut errors,
    );
    if let Some((leg, port)) = flow.second.as_ref().zip(second) {
        let source = leg.source.map(|it| it.address);
        let of = (leg.destination, source);
        check_leg(spec.direction, "flow.second_leg", of, port, &mut errors);
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(SpecErrors(errors).into())
}

/// Adds what port cannot serve of a leg's destination and source; `field` has them.
fn check_leg(
    direction: Direction,
    field: &str,
    (destination, source): (SocketAddr, Option<IpAddr>),
    port: &PortInfo,
    errors: &mut Vec<SpecError>,
) {
    let destination = destination.ip();
    let at = |name: &str| format!("{field}.{name}");
    let name = &port.name;
    let Some(own) = port.addresses.beside(destination) else {
        let (family, key) = match destination {
            IpAddr::V4(_) => ("IPv4", "address"),
            IpAddr::V6(_) => ("IPv6", "ipv6"),
        };
        let problem = format!(
            "port {name} has no {family} address for {destination}: give its [[port]] one (`{key}`)"
        );
        errors.push(SpecError::new(at("destination"), problem));
        return;
    };
    let problem = match direction {
        Direction::Receive if destination != own && !destination.is_multicast() => Some(format!(
            "{destination} is neither the address of port {name}, {own}, nor a multicast group: a session \
             receives what is sent to one of these"
        )),
        Direction::Send if destination == own => Some(format!(
            "{destination} is the address of port {name} itself, which receives nothing that it sends: give the \
             receiver's address"
        )),
        Direction::Send if port.addresses.next_hop(destination).is_none() => Some(format!(
            "{destination} is not in the network of port {name} ({}), which has no gateway",
            network(port, destination)
        )),
        _ => None,
    };
    errors.extend(problem.map(|problem| SpecError::new(at("destination"), problem)));
    if direction == Direction::Send && source.is_some_and(|source| source != own) {
        errors.push(SpecError::new(
            at("source"),
            format!("port {name} sends from its own address, {own}"),
        ));
    }
}

/// The port's address and prefix length beside `other`, as `ADDRESS/PREFIX`.
pub(super) fn network(port: &PortInfo, other: IpAddr) -> String {
    let own = port.addresses.beside(other);
    let own = own.zip(port.addresses.prefix_beside(other));
    own.map_or_else(String::new, |(own, prefix)| format!("{own}/{prefix}"))
}

/// The addresses and the timing of a session's packets.
pub(super) fn target(flow: &Flow, format: &Format) -> FlowTarget {
    let source_port = flow.source.and_then(|source| source.port);
    FlowTarget {
        destination: flow.destination,
        payload_type: flow.payload_type,
        media_clock_offset: flow.media_clock_offset.unwrap_or_default(),
        sources: flow.accepted().collect(),
        second: flow.second.as_ref().map(|leg| leg_target(flow, leg)),
        source_port: source_port.unwrap_or_else(|| flow.destination.port()),
        ttl: flow.ttl,
        dscp: flow.dscp,
        format: format.clone(),
    }
}

/// The addresses of a second leg.
fn leg_target(flow: &Flow, leg: &SecondLeg) -> LegTarget {
    let source_port = leg.source.and_then(|source| source.port);
    LegTarget {
        destination: leg.destination,
        sources: leg.accepted().collect(),
        source_port: source_port.unwrap_or_else(|| leg.destination.port()),
        payload_type: leg.payload_type.unwrap_or(flow.payload_type),
    }
}

/// The second leg of a session with ports of its own.
pub(super) fn second_leg(spec: &SessionSpec) -> Option<&SecondLeg> {
    let legs = spec.flow.second.as_ref();
    legs.filter(|_| spec.has_packets())
}

/// The configuration of each leg that a receive session on `port` receives, with the leg's port.
pub(super) fn received<'a>(
    port: &'a str,
    flow: &'a Flow,
) -> impl Iterator<Item = (&'a str, LegTarget)> + Clone {
    let first = LegTarget {
        destination: flow.destination,
        sources: flow.accepted().collect(),
        source_port: 0,
        payload_type: flow.payload_type,
    };
    let second = flow.second.iter();
    let second = second.map(|leg| (leg.port.as_str(), leg_target(flow, leg)));
    std::iter::once((port, first)).chain(second)
}

/// Whether a sender can keep to the timing of the specification; what a receiver's sender says, any can.
///
/// # Errors
/// `invalid_spec`.
pub(super) fn check_timing(
    spec: &SessionSpec,
    (port, second): (&PortInfo, Option<&PortInfo>),
    clock: &Arc<MediaClock>,
) -> Result<(), Problem> {
    if spec.direction != Direction::Send {
        return Ok(());
    }
    send_config(spec, (port, second), clock)?
        .check_format()
        .map_err(refused)
}

/// The specification's fields are in the error where there is one.
fn refused(error: RuntimeError) -> Problem {
    let text = error.to_string();
    let field = match &error {
        RuntimeError::Format(error) => error.field(),
        _ => None,
    };
    match field {
        Some(field) => SpecErrors(vec![SpecError::new(field, text)]).into(),
        None => Problem::new(ProblemCode::InvalidSpec, text),
    }
}

fn send_config(
    spec: &SessionSpec,
    (port, second): (&PortInfo, Option<&PortInfo>),
    clock: &Arc<MediaClock>,
) -> Result<SendConfig, Problem> {
    let target = target(&spec.flow, &spec.format);
    Ok(SendConfig {
        port: port.name.clone(),
        source_port: target.source_port,
        destination: target.destination,
        ttl: target.ttl,
        dscp: target.dscp,
        payload_type: target.payload_type,
        media_clock_offset: target.media_clock_offset,
        format: target.format,
        source: match spec.source {
            Some(Source::Pattern) => FrameSource::Pattern,
            _ => FrameSource::Client,
        },
        mtu: second.map_or(port.mtu, |it| it.mtu.min(port.mtu)),
        max_attachments: 1,
        clock: Arc::clone(clock),
        second: second.zip(target.second).map(|(port, target)| SecondSend {
            port: port.name.clone(),
            target,
        }),
    })
}

/// The configuration of a receive session whose legs have these ports.
pub(super) fn receive_config(
    spec: &SessionSpec,
    (port, second): (&PortInfo, Option<&PortInfo>),
) -> ReceiveConfig {
    let target = target(&spec.flow, &spec.format);
    ReceiveConfig {
        port: port.name.clone(),
        destination: target.destination,
        sources: target.sources,
        payload_type: target.payload_type,
        media_clock_offset: target.media_clock_offset,
        timeout_ns: spec.frame_timeout_ns(),
        format: target.format,
        mtu: port.mtu,
        max_attachments: spec.max_attachments as usize,
        second: spec
            .flow
            .second
            .as_ref()
            .map(|leg| onair_dataplane::SecondLeg {
                port: leg.port.clone(),
                target: leg_target(&spec.flow, leg),
                mtu: second.map_or(port.mtu, |it| it.mtu),
                class: leg.class,
            }),
    }
}

pub(super) fn runtime(
    id: SessionId,
    spec: &SessionSpec,
    (port, second): (&PortInfo, Option<&PortInfo>),
    frames: Option<FrameMemory>,
    clock: &Arc<MediaClock>,
) -> Result<Runtime, Problem> {
    let made = match (spec.direction, frames) {
        (Direction::Receive, Some(frames)) => {
            let made = Runtime::receive(id.0, receive_config(spec, (port, second)), frames);
            made.map(|runtime| runtime.following(clock))
        }
        _ => Runtime::send(id.0, send_config(spec, (port, second), clock)?),
    };
    made.map_err(refused)
}

pub(super) fn counters(stats: &SessionStats) -> SessionCounters {
    let now = stats.snapshot();
    let not_taken = stats
        .malformed()
        .chain([("wrong_source", now.packets_wrong_source)])
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.to_owned(), count));
    let counted = SessionCounters::from(&now);
    SessionCounters {
        packets_lost: now.packets_lost.saturating_sub(now.packets_lost_arrived),
        packets_malformed: not_taken.collect(),
        ..counted
    }
}

/// Frames that a client may have at a time.
pub(super) fn quota_of(spec: &SessionSpec, client: &ClientProcess) -> u32 {
    match spec.convert.is_some() && client.fills {
        true => UNDER_CONVERSION,
        false => spec.quota,
    }
}

pub(super) fn attached(session: &Session, number: u64, connected: &Connected) -> Attached {
    let fills = connected.client.fills;
    Attached {
        session: session.id.to_string(),
        name: session.spec.name.to_string(),
        attachment: number,
        owner: session.owner_connection == Some(connected.client.connection),
        sends: session.spec.direction == Direction::Send || fills,
        local: session.spec.is_local(),
        version: VERSION,
        geometry: session.geometry,
        format: session.spec.format.clone(),
        layout: session.spec.convert.as_ref().map(|it| it.layout.clone()),
        quota: quota_of(&session.spec, &connected.client),
        watched: connected.watched.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_api::SpecDocument;
    use onair_dataplane::PortAddresses;
    use serde_json::json;

    fn problems(direction: &str, destination: &str, source: Option<&str>) -> Vec<String> {
        let document: SpecDocument = serde_json::from_value(json!({
            "name": "t",
            "direction": direction,
            "port": "a",
            "video": { "width": 320, "height": 180, "frame_rate": "60/1", "depth": 8 },
            "flow": { "destination": destination, "source": source },
        }))
        .unwrap();
        let spec = SessionSpec::try_from(document).unwrap();
        let addresses = PortAddresses {
            ipv6: Some(("fd77::1".parse().unwrap(), 64)),
            ..PortAddresses::of_ipv4("10.77.0.1".parse().unwrap(), 24)
        };
        let port = PortInfo::without_device("a", [2; 6], addresses);
        match check_addresses(&spec, &port, None) {
            Ok(()) => Vec::new(),
            Err(problem) => problem.errors.into_iter().map(|it| it.field).collect(),
        }
    }

    #[test]
    fn addresses_of_the_port_or_its_network_then_served() {
        assert!(problems("receive", "10.77.0.1:5004", Some("10.9.9.9")).is_empty());
        assert!(problems("send", "10.77.0.200:5004", Some("10.77.0.1:7000")).is_empty());
        assert!(problems("receive", "[fd77::1]:5004", Some("fd99::9")).is_empty());
        assert!(problems("receive", "[ff3e::8000:1]:5004", Some("fd99::9")).is_empty());
        assert!(problems("send", "[fd77::2]:5004", Some("fd77::1")).is_empty());
    }

    #[test]
    fn addresses_of_others_then_refused_by_field() {
        let fields = problems("receive", "10.77.0.2:5004", None);
        assert_eq!(fields, ["flow.destination"]);
        let fields = problems("send", "10.77.0.1:5004", None);
        assert_eq!(fields, ["flow.destination"], "the port itself");
        let fields = problems("send", "10.78.0.2:5004", Some("10.77.0.9"));
        assert_eq!(fields, ["flow.destination", "flow.source"]);
        let fields = problems("send", "[fd78::2]:5004", Some("fd77::9"));
        assert_eq!(fields, ["flow.destination", "flow.source"]);
    }
}
