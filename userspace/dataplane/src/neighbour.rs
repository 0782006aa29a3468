//! Hardware addresses of the hosts that a port sends to (ARP, RFC 826).
//!
//! The states are those of the kernel's neighbours: incomplete, reachable, probed, failed. A known
//! neighbour is polled (RFC 1122 §2.3.2.1), first at its own address. One that leaves the polls
//! unanswered is silent: for [`HOLD_NS`] packets still go to the address that it had, because a lost
//! frame of media does not come back; then it is unknown, and nothing is sent.

use std::net::Ipv4Addr;

use onair_mutant::mutant;
use onair_net::arp::{ArpMessage, Operation};
use onair_net::ethernet::Mac;

use super::transmit::TxSink;

/// Quick requests, for a neighbour that is up.
const QUICK_TRIES: u32 = 5;
const QUICK_NS: u64 = 200_000_000;
/// Interval after that, for a neighbour that may come up later.
const SLOW_NS: u64 = 2_000_000_000;
/// Interval of requests for a neighbour that answers.
const REFRESH_NS: u64 = 1_000_000_000;
/// Requests of a known neighbour without an answer after which it is silent.
const PROBES: u32 = 3;
/// Of these, the first are sent to its address only. The last is a broadcast: its network card may
/// have been replaced.
const UNICAST_PROBES: u32 = 2;
/// How long packets still go to a silent neighbour.
const HOLD_NS: u64 = 30_000_000_000;

/// The hardware address to which a session's packets go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextHop {
    /// No answer yet, or none for too long.
    Unknown,
    /// It answers, or needs not: a group.
    Known(Mac),
    /// It has left requests unanswered.
    Silent(Mac),
}

impl NextHop {
    /// Where to send; `None`: nowhere.
    pub(super) const fn mac(self) -> Option<Mac> {
        match self {
            Self::Unknown => None,
            Self::Known(mac) | Self::Silent(mac) => Some(mac),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Reach {
    Incomplete,
    Reachable(Mac),
    Silent { mac: Mac, until_ns: u64 },
}

#[derive(Debug)]
struct Neighbour {
    address: Ipv4Addr,
    reach: Reach,
    users: usize,
    /// Requests since the last answer.
    tries: u32,
    ask_at_ns: u64,
}

impl Neighbour {
    /// The time for an answer to the last request is over.
    fn settle(&mut self, now_ns: u64) {
        self.reach = match self.reach {
            Reach::Reachable(mac)
                if self.tries >= PROBES && !mutant!("neighbour: silence is not seen") =>
            {
                let until_ns = now_ns.saturating_add(HOLD_NS);
                Reach::Silent { mac, until_ns }
            }
            Reach::Silent { until_ns, .. }
                if now_ns >= until_ns
                    && !mutant!("neighbour: a silent one is sent to for ever") =>
            {
                Reach::Incomplete
            }
            other => other,
        };
    }
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
            (known.reach, known.tries, known.ask_at_ns) = (Reach::Incomplete, 0, now_ns);
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
                    reach: Reach::Incomplete,
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

    /// What is known of `address`.
    pub(super) fn hop(&self, address: Ipv4Addr) -> NextHop {
        if address.is_multicast() {
            return NextHop::Known(Mac::of_multicast(address));
        }
        let known = self.list.iter().find(|known| known.address == address);
        match known.map(|known| known.reach) {
            None | Some(Reach::Incomplete) => NextHop::Unknown,
            Some(Reach::Reachable(mac)) => NextHop::Known(mac),
            Some(Reach::Silent { mac, .. }) => NextHop::Silent(mac),
        }
    }

    /// Handles an ARP message. Returns the reply to send if the message asks for our address.
    pub(super) fn learn(&mut self, message: &ArpMessage, now_ns: u64) -> Option<ArpMessage> {
        let own = self.mac;
        if message.sender_mac != own
            && !message.sender_mac.is_group()
            && let Some(known) = self.find(message.sender)
        {
            known.reach = Reach::Reachable(message.sender_mac);
            known.tries = 0;
            known.ask_at_ns = now_ns.saturating_add(REFRESH_NS);
        }
        let asks_for_us = message.operation == Operation::Request && message.target == self.address;
        asks_for_us.then(|| message.reply_from(own))
    }

    /// Sends the requests that are due. Returns how many.
    pub(super) fn turn(&mut self, now_ns: u64, sink: &mut impl TxSink) -> u64 {
        let mut sent = 0;
        let (mac, address) = (self.mac, self.address);
        let due = self.list.iter_mut();
        for known in due.filter(|known| known.ask_at_ns <= now_ns) {
            known.settle(now_ns);
            let request = ArpMessage::request(mac, address, known.address);
            let frame = match known.reach {
                Reach::Reachable(mac) if known.tries < UNICAST_PROBES => request.to_frame_for(mac),
                _ => request.to_frame(),
            };
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
        assert_eq!(neighbours.hop(PEERS), NextHop::Unknown);
    }

    #[test]
    fn neighbour_answers_then_known_until_its_last_user_parts() {
        let mut neighbours = neighbours();
        neighbours.join(PEERS, 0);
        neighbours.join(PEERS, 0);
        let reply = ArpMessage::request(ME, MINE, PEERS).reply_from(PEER);
        assert_eq!(neighbours.learn(&reply, 5), None);
        assert_eq!(neighbours.hop(PEERS), NextHop::Known(PEER));
        assert_eq!(neighbours.due_ns(), 5 + REFRESH_NS);
        neighbours.part(PEERS);
        assert_eq!(neighbours.hop(PEERS), NextHop::Known(PEER));
        neighbours.part(PEERS);
        assert_eq!(neighbours.hop(PEERS), NextHop::Unknown);
        assert_eq!(neighbours.due_ns(), u64::MAX);
    }

    /// Asks when it is due, until `until_ns`. Returns to whom, and when in milliseconds.
    fn ask(neighbours: &mut Neighbours, until_ns: u64) -> Vec<(u64, Mac)> {
        let mut asked = Vec::new();
        while neighbours.due_ns() <= until_ns {
            let (now, mut wire) = (neighbours.due_ns(), Wire::default());
            neighbours.turn(now, &mut wire);
            let to = wire.packets[0][..6].try_into().unwrap();
            asked.push((now / 1_000_000, Mac(to)));
        }
        asked
    }

    #[test]
    fn neighbour_falls_silent_then_given_up_until_it_answers() {
        const SECOND: u64 = 1_000_000_000;
        let mut neighbours = neighbours();
        neighbours.join(PEERS, 0);
        let reply = ArpMessage::request(ME, MINE, PEERS).reply_from(PEER);
        neighbours.learn(&reply, 0);
        let asked = ask(&mut neighbours, SECOND + 400_000_000);
        let all = Mac::BROADCAST;
        assert_eq!(asked, [(1000, PEER), (1200, PEER), (1400, all)]);
        assert_eq!(neighbours.hop(PEERS), NextHop::Known(PEER));
        ask(&mut neighbours, SECOND + 600_000_000);
        assert_eq!(neighbours.hop(PEERS), NextHop::Silent(PEER));
        ask(&mut neighbours, 30 * SECOND);
        assert_eq!(neighbours.hop(PEERS), NextHop::Silent(PEER));
        let asked = ask(&mut neighbours, 34 * SECOND);
        assert_eq!(neighbours.hop(PEERS), NextHop::Unknown);
        assert!(asked.iter().all(|(_, to)| *to == all), "{asked:?}");
        neighbours.learn(&reply, 34 * SECOND);
        assert_eq!(neighbours.hop(PEERS), NextHop::Known(PEER));
    }

    #[test]
    fn neighbour_asks_for_an_address_then_only_ours_is_answered() {
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
        let mac = Mac::of_multicast(group);
        assert_eq!(neighbours.hop(group), NextHop::Known(mac));
    }
}
