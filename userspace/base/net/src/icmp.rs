//! ICMP echo (RFC 792, and RFC 4443 §4 for IPv6): a port answers `ping`, so that an operator can test it.

use crate::ipv4::checksum;
use crate::ipv6::Ipv6Header;

const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
/// Types of ICMPv6.
const ECHO_REQUEST_IPV6: u8 = 128;
const ECHO_REPLY_IPV6: u8 = 129;

/// Writes the reply to an echo request into `reply` and returns its length in bytes. `None` if the
/// message is not an echo request, has a bad checksum, or does not fit.
#[must_use]
pub fn echo_reply(request: &[u8], reply: &mut [u8]) -> Option<usize> {
    if request.len() < 8 || request[..2] != [ECHO_REQUEST, 0] || checksum(request) != 0 {
        return None;
    }
    let reply = reply.get_mut(..request.len())?;
    reply.copy_from_slice(request);
    reply[0] = ECHO_REPLY;
    reply[2..4].fill(0);
    let sum = checksum(reply);
    reply[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(reply.len())
}

/// As [`echo_reply`], of a request in a packet with header `ip` over IPv6.
#[must_use]
pub fn echo_reply_ipv6(ip: &Ipv6Header, request: &[u8], reply: &mut [u8]) -> Option<usize> {
    if request.len() < 8 || request[..2] != [ECHO_REQUEST_IPV6, 0] || ip.checksum(request) != 0 {
        return None;
    }
    let reply = reply.get_mut(..request.len())?;
    reply.copy_from_slice(request);
    reply[0] = ECHO_REPLY_IPV6;
    reply[2..4].fill(0);
    // The sum of the addresses is the same both ways.
    let sum = ip.checksum(reply);
    reply[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(reply.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_right_or_damaged_then_only_the_right_one_is_answered() {
        let mut request = [8, 0, 0, 0, 1, 2, 0, 1, 9, 9, 9];
        let sum = checksum(&request);
        request[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut reply = [0; 64];
        assert_eq!(echo_reply(&request, &mut reply), Some(11));
        assert_eq!(checksum(&reply[..11]), 0);
        assert_eq!((reply[0], &reply[4..11]), (ECHO_REPLY, &request[4..]));
        assert_eq!(echo_reply(&request, &mut reply[..10]), None);
        assert_eq!(echo_reply(&request[..7], &mut reply), None);
        request[9] ^= 1;
        assert_eq!(echo_reply(&request, &mut reply), None);
    }

    #[test]
    fn request_over_ipv6_then_only_the_right_one_is_answered() {
        let ip = Ipv6Header {
            source: "fd00::2".parse().unwrap(),
            destination: "fd00::1".parse().unwrap(),
            next_header: crate::ipv6::NEXT_ICMP,
            hop_limit: 64,
            dscp: 0,
        };
        let mut request = [128, 0, 0, 0, 1, 2, 0, 1, 9, 9, 9];
        let sum = ip.checksum(&request);
        request[2..4].copy_from_slice(&sum.to_be_bytes());
        let mut reply = [0; 64];
        assert_eq!(echo_reply_ipv6(&ip, &request, &mut reply), Some(11));
        let back = Ipv6Header {
            source: ip.destination,
            destination: ip.source,
            ..ip
        };
        assert_eq!((reply[0], back.checksum(&reply[..11])), (129, 0));
        assert_eq!(echo_reply_ipv6(&ip, &request, &mut reply[..10]), None);
        request[9] ^= 1;
        assert_eq!(echo_reply_ipv6(&ip, &request, &mut reply), None);
    }
}
