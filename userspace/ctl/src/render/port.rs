//! Ports: their traffic, and their devices.

use comfy_table::{Cell, Color};
use onair_types::{PortHealth, PortWake};

use super::{cell, coloured, print, table};

/// A table of what each port carries.
pub(super) fn traffic(ports: &[PortHealth]) -> String {
    let mut rows = table(&[
        "PORT",
        "DRIVER",
        "ADDRESS",
        "MAC",
        "LINK",
        "POLLER",
        "RECEIVED",
        "SENT",
        "MISSED",
        "UNCLAIMED",
    ]);
    for port in ports {
        rows.add_row([
            cell(&port.name),
            cell(&port.backend),
            cell(&port.address),
            cell(&port.mac),
            link(port),
            cell(&port.poller),
            cell(port.rx_packets),
            cell(port.tx_packets),
            cell(port.rx_missed),
            cell(port.rx_unclaimed),
        ]);
    }
    print(rows)
}

/// A table of each port's device.
pub(crate) fn devices(ports: &[PortHealth]) -> String {
    let mut rows = table(&[
        "PORT", "DEVICE", "DRIVER", "ADDRESS", "LINK", "SPEED", "NUMA", "WAKE", "QUEUES",
        "OFFLOADS",
    ]);
    for port in ports {
        let number = |value: Option<u32>| value.map_or("-".to_owned(), |it| it.to_string());
        let speed = port.link_mbps.map(|mbps| format!("{mbps} Mbit/s"));
        rows.add_row([
            cell(&port.name),
            cell(&port.device),
            cell(driver(port)),
            cell(&port.address),
            link(port),
            cell(speed.unwrap_or("-".to_owned())),
            cell(number(port.numa_node)),
            cell(match port.wake {
                PortWake::Socket => "socket",
                PortWake::Interrupt => "interrupt",
                PortWake::Timer => "timer",
            }),
            cell(format!("1 of {}", port.max_queues)),
            cell(port.offloads.join(", ")),
        ]);
    }
    print(rows)
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

fn link(port: &PortHealth) -> Cell {
    if port.link_up {
        coloured("up", Color::Green)
    } else {
        coloured("down", Color::Red)
    }
}
