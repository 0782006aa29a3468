//! Hardware addresses of the hosts that a port sends to (ARP, RFC 826).

use std::net::Ipv4Addr;

use onair_media::arp::{ArpMessage, Operation};
use onair_media::ethernet::Mac;

use super::transmit::TxSink;

/// Quick requests, for a neighbour that is up.
const QUICK_TRIES: u32 = 5;
const QUICK_NS: u64 = 200_000_000;
/// Interval after that, for a neighbour that may come up later.
const SLOW_NS: u64 = 2_000_000_000;
/// Interval of requests for a known neighbour: its network card may have been replaced.
const REFRESH_NS: u64 = 30_000_000_000;

#[derive(Debug)]
struct Neighbour {
    address: Ipv4Addr,
    mac: Option<Mac>,
    users: usize,
    tries: u32,
    ask_at_ns: u64,
}

/// Neighbours that a port's running sessions send to. ARP messages about other addresses are
/// ignored.
#[derive(Debug)]
pub(super) struct Neighbours {
    mac: Mac,
    address: Ipv4Addr,
    list: Vec<Neighbour>,
}

impl Neighbours {
    pub(super) const fn new(mac: Mac, address: Ipv4Addr) -> Self {
        Self {
            mac,
            address,
            list: Vec::new(),
        }
    }

    /// The port has another device, with its address `mac`: everybody is asked anew.
    pub(super) fn renew(&mut self, mac: Mac, now_ns: u64) {
        self.mac = mac;
        for known in &mut self.list {
            (known.mac, known.tries, known.ask_at_ns) = (None, 0, now_ns);
        }
    }

    /// Starts resolving `address`, for one more user.
    pub(super) fn join(&mut self, address: Ipv4Addr, now_ns: u64) {
        if address.is_multicast() {
            return;
        }
        match self.find(address) {
            Some(known) => known.users += 1,
            None => {
                let ask_at_ns = now_ns;
                self.list.push(Neighbour {
                    address,
                    mac: None,
                    users: 1,
                    tries: 0,
                    ask_at_ns,
                });
            }
        }
    }

    /// Removes one user of `address`.
    pub(super) fn part(&mut self, address: Ipv4Addr) {
        if let Some(known) = self.find(address) {
            known.users -= 1;
        }
        self.list.retain(|known| known.users > 0);
    }

    /// Hardware address of `address`; `None` until a neighbour answers.
    pub(super) fn mac_of(&self, address: Ipv4Addr) -> Option<Mac> {
        if address.is_multicast() {
            return Some(Mac::of_multicast(address));
        }
        self.list.iter().find(|known| known.address == address)?.mac
    }

    /// Handles an ARP message. Returns the reply to send if the message asks for our address.
    pub(super) fn learn(&mut self, message: &ArpMessage, now_ns: u64) -> Option<ArpMessage> {
        let own = self.mac;
        if message.sender_mac != own
            && !message.sender_mac.is_group()
            && let Some(known) = self.find(message.sender)
        {
            known.mac = Some(message.sender_mac);
            known.tries = 0;
            known.ask_at_ns = now_ns.saturating_add(REFRESH_NS);
        }
        let asks_for_us = message.operation == Operation::Request && message.target == self.address;
        asks_for_us.then(|| message.reply_from(own))
    }

    /// Sends the requests that are due. Returns how many.
    pub(super) fn turn(&mut self, now_ns: u64, sink: &mut impl TxSink) -> u64 {
        let mut sent = 0;
        for known in self
            .list
            .iter_mut()
            .filter(|known| known.ask_at_ns <= now_ns)
        {
            let frame = ArpMessage::request(self.mac, self.address, known.address).to_frame();
            if !sink.packet(frame.len(), |packet| packet.copy_from_slice(&frame)) {
                break;
            }
            sent += 1;
            known.tries = known.tries.saturating_add(1);
            let pause = if known.tries < QUICK_TRIES {
                QUICK_NS
            } else {
                SLOW_NS
            };
            known.ask_at_ns = now_ns.saturating_add(pause);
        }
        sent
    }

    /// When [`Self::turn`] next has work.
    pub(super) fn due_ns(&self) -> u64 {
        self.list
            .iter()
            .map(|known| known.ask_at_ns)
            .min()
            .unwrap_or(u64::MAX)
    }

    fn find(&mut self, address: Ipv4Addr) -> Option<&mut Neighbour> {
        self.list.iter_mut().find(|known| known.address == address)
    }
}

#[cfg(test)]
mod tests {
    use super::super::transmit::tests::Wire;
    use super::*;

    const ME: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const MINE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const PEERS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn neighbours() -> Neighbours {
        Neighbours::new(ME, MINE)
    }

    #[test]
    fn neighbour_without_an_answer_then_asked_quickly_then_seldom() {
        let mut neighbours = neighbours();
        let mut wire = Wire::default();
        neighbours.join(PEERS, 0);
        let mut asked = Vec::new();
        while asked.len() < 7 {
            let now = neighbours.due_ns();
            assert_eq!(neighbours.turn(now, &mut wire), 1);
            assert_eq!(neighbours.turn(now, &mut wire), 0);
            asked.push(now / 1_000_000);
        }
        assert_eq!(asked, [0, 200, 400, 600, 800, 2800, 4800]);
        assert_eq!(neighbours.mac_of(PEERS), None);
    }

    #[test]
    fn neighbour_answers_then_known_until_its_last_user_parts() {
        let mut neighbours = neighbours();
        neighbours.join(PEERS, 0);
        neighbours.join(PEERS, 0);
        let reply = ArpMessage::request(ME, MINE, PEERS).reply_from(PEER);
        assert_eq!(neighbours.learn(&reply, 5), None);
        assert_eq!(neighbours.mac_of(PEERS), Some(PEER));
        assert_eq!(neighbours.due_ns(), 5 + REFRESH_NS);
        neighbours.part(PEERS);
        assert_eq!(neighbours.mac_of(PEERS), Some(PEER));
        neighbours.part(PEERS);
        assert_eq!(neighbours.mac_of(PEERS), None);
        assert_eq!(neighbours.due_ns(), u64::MAX);
    }

    #[test]
    fn neighbour_asks_for_us_or_for_another_then_only_ours_is_answered_and_nothing_learned() {
        let mut neighbours = neighbours();
        let reply = neighbours.learn(&ArpMessage::request(PEER, PEERS, MINE), 0);
        assert_eq!(
            reply.map(|reply| (reply.sender_mac, reply.sender)),
            Some((ME, MINE))
        );
        assert_eq!(
            neighbours.learn(&ArpMessage::request(PEER, PEERS, PEERS), 0),
            None
        );
        assert!(neighbours.list.is_empty());
    }

    #[test]
    fn group_wanted_then_mapped_without_asking() {
        let mut neighbours = neighbours();
        let group = Ipv4Addr::new(239, 1, 2, 3);
        neighbours.join(group, 0);
        assert_eq!(neighbours.due_ns(), u64::MAX);
        assert_eq!(neighbours.mac_of(group), Some(Mac::of_multicast(group)));
    }
}
