//! The largest packets that a description tells of (`MAXUDP`), where a session's ports do not take them: it is the most
//! that a sender may send, and no session of a receiver is refused for it.

use std::net::SocketAddr;

use onair_api::operations::ShowHealth;
use onair_api::{DescriptionNote, Direction, MAX_NOTES, SpecDocument};
use onair_control::Client;
use onair_essence::STANDARD_MAX_UDP;

use crate::args::essence::max_udp;
use crate::failure::Failure;

/// Takes `max_udp` out of the receive sessions among `specs` whose ports have a lower MTU, and notes it.
pub(crate) async fn fit(client: &Client, specs: &mut [SpecDocument]) -> Result<(), Failure> {
    if !specs.iter_mut().any(|it| largest(it).is_some()) {
        return Ok(());
    }
    let health = client.call::<ShowHealth>(&(), &()).await?.read()?;
    let ports = health.dataplane.ports.into_iter();
    let ports: Vec<_> = ports.map(|it| (it.name, it.mtu)).collect();
    for spec in specs {
        fit_to(spec, &ports);
    }
    Ok(())
}

/// The size of a receive session's packets, if they are larger than each port takes.
fn largest(spec: &mut SpecDocument) -> Option<u32> {
    let receives = spec.direction == Direction::Receive;
    let size = *max_udp(&mut spec.format)?;
    size.filter(|it| receives && *it > STANDARD_MAX_UDP.into())
}

/// `ports`: name and MTU of each.
fn fit_to(spec: &mut SpecDocument, ports: &[(String, u16)]) {
    let Some(largest) = largest(spec) else {
        return;
    };
    let first = (&spec.port, &spec.flow.destination);
    let second = spec.flow.second_leg.as_ref();
    let second = second.map(|leg| (&leg.port, &leg.destination));
    let too_small = [Some(first), second].into_iter().flatten();
    let mut too_small = too_small.filter_map(|(port, destination)| {
        let port = ports.iter().find(|it| *port == it.0)?;
        let destination: SocketAddr = destination.parse().ok()?;
        let header = if destination.is_ipv6() { 40 } else { 20 };
        (largest + header > port.1.into()).then_some(port)
    });
    let Some((port, mtu)) = too_small.next() else {
        return;
    };
    let reason = format!(
        "not used: port {port} has an MTU of {mtu}, larger packets than that do not arrive"
    );
    let note = DescriptionNote::new(1, "MAXUDP", Some(&largest.to_string()), &reason);
    max_udp(&mut spec.format).map(Option::take);
    spec.notes.push(note);
    spec.notes.truncate(MAX_NOTES);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn packets_above_the_mtu_then_noted_and_not_asked_for() {
        let spec = |max_udp: u32, direction: &str, to: &str| -> SpecDocument {
            let spec = json!({"name": "s", "direction": direction, "port": "a", "flow": {"destination": to},
                "video": {"width": 64, "height": 32, "frame_rate": "50", "depth": 8, "max_udp": max_udp}});
            serde_json::from_value(spec).unwrap()
        };
        let (v4, v6) = ("233.252.0.1:5004", "[ff3e::1]:5004");
        for (max_udp, direction, to, mtu, is_noted) in [
            (1_500, "receive", v4, 1_500, true),
            (1_480, "receive", v4, 1_500, false),
            (1_480, "receive", v6, 1_500, true),
            (8_960, "receive", v4, 9_000, false),
            (8_960, "receive", v6, 1_500, true),
            (8_960, "send", v4, 1_500, false),
        ] {
            let mut fitted = spec(max_udp, direction, to);
            fit_to(&mut fitted, &[("a".to_owned(), mtu)]);
            let size = *super::max_udp(&mut fitted.format).unwrap();
            assert_eq!(size.is_none(), is_noted, "{fitted:?}");
            let noted = fitted.notes.iter().any(|it| it.parameter == "MAXUDP");
            assert_eq!(noted, is_noted, "{fitted:?}");
        }
    }
}
