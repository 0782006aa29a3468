//! The largest packets that a description tells of (`MAXUDP`), where a session's ports do not take them: it is the most
//! that a sender may send, and no session of a receiver is refused for it.

use std::net::SocketAddr;

use onair_api::operations::ShowHealth;
use onair_api::{DescriptionNote, MAX_NOTES};
use onair_essence::STANDARD_MAX_UDP;
use serde_json::{Value, json};

use crate::args::essence;
use crate::client::Client;
use crate::failure::Failure;

/// Takes `max_udp` out of the receive sessions among `specs` whose ports have a lower MTU, and notes it.
pub(crate) async fn fit(client: &Client, specs: &mut [Value]) -> Result<(), Failure> {
    if !specs.iter().any(|it| largest(it).is_some()) {
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

/// Essence and size of a receive session's packets, if they are larger than each port takes.
fn largest(spec: &Value) -> Option<(String, u64)> {
    let receives = spec["direction"] == "receive";
    let formats = essence::of_document(spec);
    let mut sizes = formats.iter().filter_map(|(essence, format)| {
        let max_udp = format.get("max_udp")?.as_u64()?;
        Some((essence.clone(), max_udp))
    });
    sizes.find(|it| receives && it.1 > STANDARD_MAX_UDP.into())
}

/// `ports`: name and MTU of each.
fn fit_to(spec: &mut Value, ports: &[(String, u16)]) {
    let Some((essence, max_udp)) = largest(spec) else {
        return;
    };
    let legs = [
        (&spec["port"], &spec["flow"]["destination"]),
        (
            &spec["flow"]["second_leg"]["port"],
            &spec["flow"]["second_leg"]["destination"],
        ),
    ];
    let too_small = legs.into_iter().find_map(|(port, destination)| {
        let port = ports.iter().find(|it| port == it.0.as_str())?;
        let destination: SocketAddr = destination.as_str()?.parse().ok()?;
        let header = if destination.is_ipv6() { 40 } else { 20 };
        (max_udp + header > port.1.into()).then_some(port)
    });
    let Some((port, mtu)) = too_small else {
        return;
    };
    let reason = format!(
        "not used: port {port} has an MTU of {mtu}, larger packets than that do not arrive"
    );
    let note = DescriptionNote::new(1, "MAXUDP", Some(&max_udp.to_string()), &reason);
    spec[&essence]["max_udp"] = Value::Null;
    match &mut spec["notes"] {
        Value::Array(notes) if notes.len() < MAX_NOTES => notes.push(json!(note)),
        Value::Array(_) => {}
        notes => *notes = json!([note]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_above_the_mtu_then_noted_and_not_asked_for() {
        let spec = |max_udp: u32, direction: &str, to: &str| {
            json!({"direction": direction, "port": "a", "video": {"max_udp": max_udp},
                "flow": {"destination": to}})
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
            assert_eq!(fitted["video"]["max_udp"].is_null(), is_noted, "{fitted}");
            assert_eq!(
                fitted["notes"][0]["parameter"] == "MAXUDP",
                is_noted,
                "{fitted}"
            );
        }
    }
}
