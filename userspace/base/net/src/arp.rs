//! ARP for IPv4 over Ethernet (RFC 826): requests for neighbours, replies for a port.

use std::net::Ipv4Addr;

use crate::bytes::{array, u16_at};
use crate::ethernet::{ETHERTYPE_ARP, EthernetHeader, HEADER_BYTES, Mac};

/// Length of the message in bytes.
pub const MESSAGE_BYTES: usize = 28;

/// Length of a message with its Ethernet header in bytes; drivers pad it to 60.
pub const FRAME_BYTES: usize = HEADER_BYTES + MESSAGE_BYTES;

const ETHERNET_IPV4: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];

/// Why bytes are not a supported ARP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArpReject {
    /// Fewer than 28 bytes.
    #[error("ARP message is truncated")]
    Truncated,
    /// Not IPv4 over Ethernet.
    #[error("ARP message is not about IPv4 over Ethernet")]
    OtherProtocol,
    /// Neither request nor reply.
    #[error("ARP operation {0} is neither request (1) nor reply (2)")]
    Operation(u16),
}

/// Operation of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Asks for the owner of the target address.
    Request,
    /// Announces the sender's address.
    Reply,
}

/// An ARP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpMessage {
    /// Request or reply.
    pub operation: Operation,
    /// Hardware address of the sender.
    pub sender_mac: Mac,
    /// IPv4 address of the sender; 0.0.0.0 in a probe (RFC 5227 §1.1).
    pub sender: Ipv4Addr,
    /// Hardware address of the target; zero in a request.
    pub target_mac: Mac,
    /// Request: the address to resolve. Reply: the requester's address.
    pub target: Ipv4Addr,
}

impl ArpMessage {
    /// A request for the MAC address of `target`.
    #[must_use]
    pub const fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            operation: Operation::Request,
            sender_mac,
            sender,
            target_mac: Mac([0; 6]),
            target,
        }
    }

    /// The reply to this request from `mac`, which has the requested address.
    #[must_use]
    pub const fn reply_from(&self, mac: Mac) -> Self {
        Self {
            operation: Operation::Reply,
            sender_mac: mac,
            sender: self.target,
            target_mac: self.sender_mac,
            target: self.sender,
        }
    }

    /// Parses the payload of an Ethernet frame. Ignores padding after the message.
    ///
    /// # Errors
    /// [`ArpReject`]: truncated, or not about IPv4 over Ethernet.
    pub fn parse(payload: &[u8]) -> Result<Self, ArpReject> {
        if payload.len() < MESSAGE_BYTES {
            return Err(ArpReject::Truncated);
        }
        if payload[..6] != ETHERNET_IPV4 {
            return Err(ArpReject::OtherProtocol);
        }
        let fields = || {
            let operation = u16_at(payload, 6)?;
            let ip = |at| array::<4>(payload, at).map(Ipv4Addr::from);
            let mac = |at| array::<6>(payload, at).map(Mac);
            Some((operation, mac(8)?, ip(14)?, mac(18)?, ip(24)?))
        };
        let (operation, sender_mac, sender, target_mac, target) =
            fields().ok_or(ArpReject::Truncated)?;
        let operation = match operation {
            1 => Operation::Request,
            2 => Operation::Reply,
            other => return Err(ArpReject::Operation(other)),
        };
        Ok(Self {
            operation,
            sender_mac,
            sender,
            target_mac,
            target,
        })
    }

    /// The message with its Ethernet header: a request is a broadcast, a reply goes to its target.
    #[must_use]
    pub fn to_frame(&self) -> [u8; FRAME_BYTES] {
        self.to_frame_for(match self.operation {
            Operation::Request => Mac::BROADCAST,
            Operation::Reply => self.target_mac,
        })
    }

    /// The message with its Ethernet header, to one host only.
    #[must_use]
    pub fn to_frame_for(&self, destination: Mac) -> [u8; FRAME_BYTES] {
        let operation = match self.operation {
            Operation::Request => 1u16,
            Operation::Reply => 2,
        };
        let ethernet = EthernetHeader {
            destination,
            source: self.sender_mac,
            ethertype: ETHERTYPE_ARP,
        };
        let mut frame = [0; FRAME_BYTES];
        let (header, message) = frame.split_at_mut(HEADER_BYTES);
        header.copy_from_slice(&ethernet.to_bytes());
        message[0..6].copy_from_slice(&ETHERNET_IPV4);
        message[6..8].copy_from_slice(&operation.to_be_bytes());
        message[8..14].copy_from_slice(&self.sender_mac.0);
        message[14..18].copy_from_slice(&self.sender.octets());
        message[18..24].copy_from_slice(&self.target_mac.0);
        message[24..28].copy_from_slice(&self.target.octets());
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn request() -> ArpMessage {
        ArpMessage::request(PEER, Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1))
    }

    #[test]
    fn request_answered_then_the_reply_goes_back_to_the_asker() {
        let reply = request().reply_from(ME);
        let frame = reply.to_frame();
        let (ethernet, payload) = EthernetHeader::parse(&frame).unwrap();
        assert_eq!((ethernet.destination, ethernet.source), (PEER, ME));
        let read = ArpMessage::parse(payload).unwrap();
        assert_eq!(read, reply);
        assert_eq!(
            (read.sender_mac, read.sender),
            (ME, Ipv4Addr::new(10, 0, 0, 1))
        );
    }

    #[test]
    fn message_damaged_then_rejected_by_reason() {
        let frame = request().to_frame();
        let message = &frame[HEADER_BYTES..];
        assert_eq!(ArpMessage::parse(&message[..27]), Err(ArpReject::Truncated));
        let mut other = message.to_vec();
        other[0] = 9;
        assert_eq!(ArpMessage::parse(&other), Err(ArpReject::OtherProtocol));
        let mut other = message.to_vec();
        other[7] = 3;
        assert_eq!(ArpMessage::parse(&other), Err(ArpReject::Operation(3)));
    }
}
