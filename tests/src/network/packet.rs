//! Packets by hand, right or with one thing wrong. The product's own writers are not used: a test
//! must not agree with them by descent.

use crate::network::whole_flow::WholeFlow;

/// IPv4 in an Ethernet frame.
pub const IPV4: u16 = 0x0800;
/// ARP in an Ethernet frame.
pub const ARP: u16 = 0x0806;

/// An RTP packet of payload type 96 with these runs (RFC 4175 §4.2: length, line with field bit,
/// offset with continuation bit) and so many bytes of picture.
#[must_use]
pub fn rtp(runs: &[[u16; 3]], bytes: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 2, 0xde, 0xad, 0xbe, 0xef, 0, 0];
    packet.extend(runs.iter().flatten().flat_map(|word| word.to_be_bytes()));
    packet.resize(packet.len() + bytes, 0x55);
    packet
}

/// The packet with another byte at `at`.
#[must_use]
pub fn with(mut packet: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    packet[at] = byte;
    packet
}

/// The packet's first `length` bytes.
#[must_use]
pub fn cut(mut packet: Vec<u8>, length: usize) -> Vec<u8> {
    packet.truncate(length);
    packet
}

/// An Ethernet frame.
#[must_use]
pub fn ethernet(destination: [u8; 6], source: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&destination[..], &source, &kind.to_be_bytes(), payload].concat()
}

/// An ARP message (RFC 826): 1 asks who has `target`, 2 tells where `sender` is.
#[must_use]
pub fn arp(operation: u8, mac: [u8; 6], sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, operation];
    [&head[..], &mac, &sender, &[0; 6], &target].concat()
}

/// An IPv4 packet of UDP from the kernel's address to ours.
#[must_use]
pub fn ipv4(payload: &[u8]) -> Vec<u8> {
    let [.., a, b] = (payload.len() + 20).to_be_bytes();
    let header = [
        0x45, 0, a, b, 0, 1, 0, 0, 64, 17, 0, 0, 10, 77, 0, 9, 10, 77, 0, 2,
    ];
    summed([&header[..], payload].concat())
}

/// A datagram to the well-behaved flow's port that says that it is so long, without a checksum.
#[must_use]
pub fn datagram(length: usize, payload: &[u8]) -> Vec<u8> {
    let [a, b] = WholeFlow::UDP.to_be_bytes();
    let [.., c, d] = length.to_be_bytes();
    ipv4(&[&[9, 9, a, b, c, d, 0, 0][..], payload].concat())
}

/// The IPv4 packet with the header checksum that belongs there (RFC 1071).
#[must_use]
pub fn summed(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let mut sum: u32 = packet[..20]
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., a, b] = (!sum).to_be_bytes();
    packet[10..12].copy_from_slice(&[a, b]);
    packet
}
