#!/usr/bin/env bash
# pcap-file 2.0.0 (crates.io) reads the times of a pcapng file in microseconds a thousand times too small.
#
# Packets of pcapng count in the unit that the interface names in `if_tsresol`; without that option, in microseconds. A
# good guess: `EnhancedPacketBlock::timestamp` is a `Duration`, so the crate has looked at the unit. It has not: each
# count is taken for nanoseconds. A capture of November 2023 is of 20 January 1970, and a frame of 40 ms lasts 40 µs.
# Only `if_tsresol` 9 is read right. Read the option of the packet's interface, and multiply.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv own
own/bin/pip install --quiet --disable-pip-version-check scapy==2.7.0
cat >finding.py <<'PYTHON'
import struct
from decimal import Decimal

import scapy
from scapy.utils import PcapNgReader

SECONDS = [Decimal("1700000000"), Decimal("1700000000.04")]


def block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def capture(digits: int | None) -> bytes:
    """Two packets, 40 ms apart. An interface with `if_tsresol`, or without."""
    options = b"" if digits is None else struct.pack("<HHB3xHH", 9, 1, digits, 0, 0)
    blocks = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    blocks += block(1, struct.pack("<HHI", 1, 0, 0) + options)
    for seconds in SECONDS:
        count = int(seconds * 10 ** (6 if digits is None else digits))
        blocks += block(6, struct.pack("<IIIII", 0, count >> 32, count & 0xFFFFFFFF, 60, 60) + bytes(60))
    return blocks


for name, digits in [("usual", None), ("microseconds", 6), ("nanoseconds", 9)]:
    with open(f"{name}.pcapng", "wb") as file:
        file.write(capture(digits))
    with PcapNgReader(f"{name}.pcapng") as packets:
        read = [Decimal(str(packet.time)) for packet in packets]
    assert read == SECONDS, f"not a valid file: {read}"
print(f"scapy {scapy.VERSION}: 1700000000s and 1700000000.04s in each file")
PYTHON
own/bin/python finding.py
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2024"

[dependencies]
pcap-file = "=2.0.0"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use std::fs::File;
use std::time::Duration;

use pcap_file::pcapng::{Block, PcapNgReader};

fn times(name: &str) -> Vec<Duration> {
    let file = File::open(format!("{name}.pcapng")).expect("the script has made it");
    let mut reader = PcapNgReader::new(file).expect("a section");
    let mut times = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.expect("a block") {
            times.push(packet.timestamp);
        }
    }
    times
}

fn main() {
    println!("pcap-file 2.0.0");
    let [usual, micros, nanos] = ["usual", "microseconds", "nanoseconds"].map(|name| {
        let times = times(name);
        println!("{name}: {times:?}");
        times
    });
    let right = [Duration::from_secs(1_700_000_000), Duration::from_millis(1_700_000_000_040)];
    let thousandth = right.map(|time| time / 1000);
    assert_eq!(usual, thousandth, "the behaviour has changed");
    assert_eq!(micros, thousandth, "the behaviour has changed");
    assert_eq!(nanos, right, "the behaviour has changed");
}
RUST
cargo run --quiet
