#!/usr/bin/env bash
# mdns-sd 0.21.7: unregistering one service withdraws the addresses of its host name, also while another service has it.
#
# A good guess: `unregister` says goodbye to the service: its PTR, SRV and TXT records. But the goodbye has the A and AAAA
# records of the host name, too, with a TTL of 0 (RFC 6762, 10.1: the record is no longer valid). A browser so forgets the address
# of a host that is still there, with all its other services, until they are announced or asked for again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
mdns-sd = "=0.21.7"
TOML
cat >src/main.rs <<'RUST'
use std::time::{Duration, Instant};

use mdns_sd::{HostnameResolutionEvent as Event, IfKind, ServiceDaemon, ServiceInfo};

fn daemon() -> ServiceDaemon {
    let daemon = ServiceDaemon::new().unwrap();
    daemon.disable_interface(IfKind::All).unwrap();
    daemon.enable_interface(IfKind::LoopbackV4).unwrap();
    daemon
}

fn main() {
    println!("mdns-sd 0.21.7");
    let host = format!("finding-{}.local.", std::process::id());
    let responder = daemon();
    let names = ["one", "other"].map(|name| {
        let service = ServiceInfo::new("_finding._tcp.local.", name, &host, "127.0.0.1", 4000, None).unwrap();
        let full = service.get_fullname().to_owned();
        responder.register(service).unwrap();
        full
    });
    let events = daemon().resolve_hostname(&host, None).unwrap();
    let wait = |what: fn(&Event) -> bool| {
        let until = Instant::now() + Duration::from_secs(15);
        while let Ok(event) = events.recv_deadline(until) {
            if what(&event) {
                println!("{event:?}");
                return true;
            }
        }
        false
    };
    assert!(wait(|it| matches!(it, Event::AddressesFound(..))), "the host is not found");
    println!("unregister {}, and keep {}", names[0], names[1]);
    responder.unregister(&names[0]).unwrap();
    assert!(wait(|it| matches!(it, Event::AddressesRemoved(..))), "the behaviour has changed");
}
RUST
cargo run --quiet
