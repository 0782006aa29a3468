//! Ports: their traffic, and their devices.

use comfy_table::{Cell, Color};
use onair_api::{ArrivingList, PortHealth, PortSteering, PortWake};

use crate::render::{ago, bytes, cell, coloured, columns, or_dash};

/// A table of what each port carries.
pub(super) fn traffic(ports: &[PortHealth]) -> String {
    columns(
        ports,
        &[
            ("PORT", |port| cell(&port.name)),
            ("DRIVER", |port| cell(&port.backend)),
            ("ADDRESS", |port| cell(addresses(port))),
            ("MAC", |port| cell(&port.mac)),
            ("MTU", |port| cell(port.mtu)),
            ("VLAN", |port| cell(or_dash(port.vlan))),
            ("LINK", link),
            ("POLLER", |port| cell(pollers(port))),
            ("RECEIVED", |port| cell(port.rx_packets)),
            ("SENT", |port| cell(port.tx_packets)),
            ("MISSED", |port| cell(port.rx_missed)),
            ("UNCLAIMED", |port| cell(port.rx_unclaimed)),
            ("MALFORMED", |port| cell(port.rx_malformed)),
        ],
    )
}

/// A table of each port's device.
pub(crate) fn devices(ports: &[PortHealth]) -> String {
    columns(
        ports,
        &[
            ("PORT", |port| cell(&port.name)),
            ("DEVICE", |port| cell(&port.device)),
            ("DRIVER", |port| cell(driver(port))),
            ("ADDRESS", |port| cell(addresses(port))),
            ("MTU", |port| cell(port.mtu)),
            ("VLAN", |port| cell(or_dash(port.vlan))),
            ("LINK", link),
            ("SPEED", |port| {
                cell(or_dash(port.link_mbps.map(|mbps| format!("{mbps} Mbit/s"))))
            }),
            ("NUMA", |port| cell(or_dash(port.numa_node))),
            ("WAKE", |port| cell(wake(port))),
            ("QUEUES", |port| {
                cell(format!("{} of {}", port.queues, port.max_queues))
            }),
            ("RING", |port| cell(ring(port))),
            ("MEMORY", |port| cell(bytes(port.memory_bytes))),
            ("MISSED", |port| cell(port.rx_missed)),
            ("STEERING", |port| cell(steering(port))),
            ("MULTICAST", |port| cell(port.multicast)),
            ("OFFLOADS", |port| cell(port.offloads.join(", "))),
        ],
    )
}

/// A table of what arrives and belongs to no session.
pub(crate) fn arriving(list: &ArrivingList) -> String {
    if list.arriving.is_empty() {
        return "Nothing arrives that belongs to no session.\n".to_owned();
    }
    columns(
        &list.arriving,
        &[
            ("PORT", |flow| cell(&flow.port)),
            ("DESTINATION", |flow| cell(&flow.destination)),
            ("TYPE", |flow| cell(or_dash(flow.payload_type))),
            ("FIRST", |flow| cell(ago(Some(flow.first_seen)))),
            ("LAST", |flow| cell(ago(Some(flow.last_seen)))),
            ("PACKETS", |flow| cell(flow.packets)),
        ],
    )
}

/// Of both families: `10.77.0.1/24 fd77::1/64`.
fn addresses(port: &PortHealth) -> String {
    let ipv4 = Some(port.address.as_str()).filter(|it| !it.is_empty());
    let all: Vec<_> = ipv4.into_iter().chain(port.ipv6.as_deref()).collect();
    all.join(" ")
}

/// The driver, and how an AF_XDP port is attached: `af_xdp (native, copy)`.
fn driver(port: &PortHealth) -> String {
    let Some(xdp) = port.xdp else {
        return port.backend.clone();
    };
    let mode = if xdp.native { "native" } else { "generic" };
    let copy = if xdp.zero_copy { "zero-copy" } else { "copy" };
    format!("{} ({mode}, {copy})", port.backend)
}

fn pollers(port: &PortHealth) -> String {
    if port.pollers.is_empty() {
        return port.poller.clone();
    }
    port.pollers.join(", ")
}

/// The receive ring of each queue, and how long it keeps what comes: `16384 (31 ms)`.
fn ring(port: &PortHealth) -> String {
    match (port.rx_ring, port.rx_ring_ms) {
        (Some(packets), Some(ms)) => format!("{packets} ({ms} ms)"),
        (packets, _) => or_dash(packets),
    }
}

/// How a packet comes to its session's poller: `hand-over (12 packets)`.
fn steering(port: &PortHealth) -> String {
    match port.steering {
        PortSteering::None => "-".to_owned(),
        PortSteering::FlowRules => format!("flow rules ({} handed over)", port.rx_handed_over),
        PortSteering::HandOver => format!("hand-over ({} packets)", port.rx_handed_over),
    }
}

/// The event that wakes its poller.
fn wake(port: &PortHealth) -> &'static str {
    match port.wake {
        PortWake::Socket => "socket",
        PortWake::Interrupt => "interrupt",
        PortWake::Timer => "timer",
    }
}

pub(in crate::render) fn link(port: &PortHealth) -> Cell {
    if port.link_up {
        coloured("up", Color::Green)
    } else {
        coloured("down", Color::Red)
    }
}
