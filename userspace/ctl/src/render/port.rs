//! Ports: their traffic, and their devices.

use comfy_table::{Cell, Color};
use onair_types::PortHealth;

use super::{cell, coloured, columns, or_dash};

/// A table of what each port carries.
pub(super) fn traffic(ports: &[PortHealth]) -> String {
    columns(
        ports,
        &[
            ("PORT", |port| cell(&port.name)),
            ("DRIVER", |port| cell(&port.backend)),
            ("ADDRESS", |port| cell(&port.address)),
            ("MAC", |port| cell(&port.mac)),
            ("LINK", link),
            ("POLLER", |port| cell(&port.poller)),
            ("RECEIVED", |port| cell(port.rx_packets)),
            ("SENT", |port| cell(port.tx_packets)),
            ("MISSED", |port| cell(port.rx_missed)),
            ("UNCLAIMED", |port| cell(port.rx_unclaimed)),
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
            ("DRIVER", |port| cell(&port.backend)),
            ("ADDRESS", |port| cell(&port.address)),
            ("LINK", link),
            ("SPEED", |port| {
                cell(or_dash(port.link_mbps.map(|mbps| format!("{mbps} Mbit/s"))))
            }),
            ("NUMA", |port| cell(or_dash(port.numa_node))),
            ("QUEUES", |port| cell(format!("1 of {}", port.max_queues))),
            ("OFFLOADS", |port| cell(port.offloads.join(", "))),
        ],
    )
}

fn link(port: &PortHealth) -> Cell {
    if port.link_up {
        coloured("up", Color::Green)
    } else {
        coloured("down", Color::Red)
    }
}
