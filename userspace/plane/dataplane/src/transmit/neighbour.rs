//! Hardware addresses of the hosts that a port sends to (ARP, RFC 826; neighbour discovery, RFC 4861).
//!
//! The states are those of the kernel's neighbours: incomplete, reachable, probed, failed. A known
//! neighbour is polled (RFC 1122 §2.3.2.1), first at its own address. One that leaves the polls
//! unanswered is silent: for [`HOLD_NS`] packets still go to the address that it had, because a lost
//! frame of media does not come back; then it is unknown, and nothing is sent.

use std::net::IpAddr;

use arrayvec::ArrayVec;
use onair_mutant::mutant;
use onair_net::arp::{ArpMessage, Operation};
use onair_net::ethernet::Mac;
use onair_net::ndp::{self, Kind, NeighbourMessage};

use crate::addresses::PortAddresses;
use crate::host::HostLine;
use crate::transmit::{NeighbourReport, TxSink};

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
pub(crate) enum NextHop {
    /// No answer yet, or none for too long.
    Unknown,
    /// It answers, or needs not: a group.
    Known(Mac),
    /// It leaves requests unanswered: packets go to its last address.
    Silent(Mac),
}

impl NextHop {
    /// Where to send; `None`: nowhere.
    pub(crate) const fn mac(self) -> Option<Mac> {
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
    address: IpAddr,
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

/// Neighbours that a port's running sessions send to. Messages about other addresses are ignored.
#[derive(Debug)]
pub(crate) struct Neighbours {
    mac: Mac,
    own: PortAddresses,
    list: Vec<Neighbour>,
    /// Of a port that shares its interface with the kernel.
    pub(crate) host: Option<HostLine>,
}

impl Neighbours {
    pub(crate) const fn new(mac: Mac, own: PortAddresses) -> Self {
        Self {
            mac,
            own,
            list: Vec::new(),
            host: None,
        }
    }

    /// The port has another device, with its address `mac`: it asks all neighbours again.
    pub(crate) fn renew(&mut self, mac: Mac, now_ns: u64) {
        self.mac = mac;
        for known in &mut self.list {
            (known.reach, known.tries, known.ask_at_ns) = (Reach::Incomplete, 0, now_ns);
        }
    }

    /// Starts resolving `address`, for one more user.
    pub(crate) fn join(&mut self, address: IpAddr, now_ns: u64) {
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
    pub(crate) fn part(&mut self, address: IpAddr) {
        if let Some(known) = self.find(address) {
            known.users -= 1;
        }
        self.list.retain(|known| known.users > 0);
    }

    /// The next hop to `address`, as far as it is known.
    pub(crate) fn hop(&self, address: IpAddr) -> NextHop {
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

    /// Handles a message. Returns the frame of the answer if it asks for our address.
    pub(crate) fn learn(&mut self, message: &NeighbourReport, now_ns: u64) -> Option<Answer> {
        match message {
            NeighbourReport::Arp(message) => self.learn_arp(message, now_ns),
            NeighbourReport::Ndp(message) => self.learn_ndp(message, now_ns),
        }
    }

    fn learn_arp(&mut self, message: &ArpMessage, now_ns: u64) -> Option<Answer> {
        self.heard(message.sender.into(), message.sender_mac, now_ns);
        let asks_for_us =
            message.operation == Operation::Request && self.own.is_own(message.target.into());
        let reply = || Answer::from_iter(message.reply_from(self.mac).to_frame());
        asks_for_us.then(reply)
    }

    fn learn_ndp(&mut self, message: &NeighbourMessage, now_ns: u64) -> Option<Answer> {
        match (message.kind, message.mac) {
            (Kind::Solicitation, Some(mac)) => self.heard(message.source.into(), mac, now_ns),
            (Kind::Advertisement { overrides, .. }, mac) => {
                let address = message.target.into();
                let known = self.hop(address).mac();
                // RFC 4861 §7.2.5: another address replaces a known one only if the message says so.
                let mac = match (mac, known) {
                    (Some(mac), Some(known)) if mac != known && !overrides => return None,
                    (mac, known) => mac.or(known),
                };
                if let Some(mac) = mac {
                    self.heard(address, mac, now_ns);
                }
            }
            (Kind::Solicitation, None) => {}
        }
        let asks_for_us =
            message.kind == Kind::Solicitation && self.own.is_own(message.target.into());
        // A sender that tells no address of its own is asked for it first, if it is known at all.
        let to = message
            .mac
            .or_else(|| self.hop(message.source.into()).mac());
        let to = to.filter(|_| asks_for_us).or_else(|| {
            let is_for_all = asks_for_us && message.source.is_unspecified();
            is_for_all.then_some(Mac::BROADCAST)
        })?;
        let answer = message.advertisement_from(self.mac);
        Some(answer.to_frame(self.mac, to).into_iter().collect())
    }

    /// A neighbour told its address, or the kernel did.
    pub(crate) fn heard(&mut self, address: IpAddr, mac: Mac, now_ns: u64) {
        if mac != self.mac
            && !mac.is_group()
            && let Some(known) = self.find(address)
        {
            known.reach = Reach::Reachable(mac);
            known.tries = 0;
            known.ask_at_ns = now_ns.saturating_add(REFRESH_NS);
        }
    }

    /// Sends the requests that are due. Returns how many.
    pub(crate) fn turn(&mut self, now_ns: u64, sink: &mut impl TxSink) -> u64 {
        let mut sent = 0;
        let (mac, own, host) = (self.mac, self.own, &self.host);
        let due = self.list.iter_mut();
        for known in due.filter(|known| known.ask_at_ns <= now_ns) {
            known.settle(now_ns);
            let to = match known.reach {
                Reach::Reachable(mac) if known.tries < UNICAST_PROBES => Some(mac),
                _ => None,
            };
            // Answers would reach the kernel alone.
            if !host.as_ref().is_some_and(|it| it.asks(known.address)) {
                let Some(frame) = request(mac, own, known.address, to) else {
                    known.ask_at_ns = now_ns.saturating_add(SLOW_NS);
                    continue;
                };
                if !sink.packet(frame.len(), |packet| packet.copy_from_slice(&frame)) {
                    break;
                }
                sent += 1;
            }
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
    pub(crate) fn due_ns(&self) -> u64 {
        self.list
            .iter()
            .map(|known| known.ask_at_ns)
            .min()
            .unwrap_or(u64::MAX)
    }

    fn find(&mut self, address: IpAddr) -> Option<&mut Neighbour> {
        self.list.iter_mut().find(|known| known.address == address)
    }
}

/// The frame of an answer or a request: the longer is that of IPv6.
pub(crate) type Answer = ArrayVec<u8, { ndp::FRAME_BYTES }>;

/// The frame that asks for `address`, of one host or of all. `None` without an address of its family.
fn request(mac: Mac, own: PortAddresses, address: IpAddr, to: Option<Mac>) -> Option<Answer> {
    Some(match address {
        IpAddr::V4(address) => {
            let request = ArpMessage::request(mac, own.ipv4?.0, address);
            let frame = match to {
                Some(to) => request.to_frame_for(to),
                None => request.to_frame(),
            };
            frame.into_iter().collect()
        }
        IpAddr::V6(address) => {
            let mut request = NeighbourMessage::solicitation(mac, own.ipv6?.0, address);
            if to.is_some() {
                request.destination = address;
            }
            let to = to.unwrap_or(Mac::BROADCAST);
            request.to_frame(mac, to).into_iter().collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::sync::Arc;

    use super::*;
    use crate::host::HostShare;
    use crate::transmit::tests::Wire;

    const ME: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const PEER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const MINE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const PEERS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const PEER_IP: IpAddr = IpAddr::V4(PEERS);
    const MINE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    const PEERS6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

    fn neighbours() -> Neighbours {
        let own = PortAddresses {
            ipv6: Some((MINE6, 64)),
            ..PortAddresses::of_ipv4(MINE, 24)
        };
        Neighbours::new(ME, own)
    }

    fn arp_reply() -> NeighbourReport {
        NeighbourReport::Arp(ArpMessage::request(ME, MINE, PEERS).reply_from(PEER))
    }

    #[test]
    fn neighbour_without_an_answer_then_asked_quickly_then_seldom() {
        let mut neighbours = neighbours();
        let mut wire = Wire::default();
        neighbours.join(PEER_IP, 0);
        let mut asked = Vec::new();
        while asked.len() < 7 {
            let now = neighbours.due_ns();
            assert_eq!(neighbours.turn(now, &mut wire), 1);
            assert_eq!(neighbours.turn(now, &mut wire), 0);
            asked.push(now / 1_000_000);
        }
        assert_eq!(asked, [0, 200, 400, 600, 800, 2800, 4800]);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Unknown);
    }

    #[test]
    fn neighbour_answers_then_known_until_its_last_user_parts() {
        let mut neighbours = neighbours();
        neighbours.join(PEER_IP, 0);
        neighbours.join(PEER_IP, 0);
        let reply = arp_reply();
        assert_eq!(neighbours.learn(&reply, 5), None);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Known(PEER));
        assert_eq!(neighbours.due_ns(), 5 + REFRESH_NS);
        neighbours.part(PEER_IP);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Known(PEER));
        neighbours.part(PEER_IP);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Unknown);
        assert_eq!(neighbours.due_ns(), u64::MAX);
    }

    /// Asks when it is due, until `until_ns`. Returns the destinations, and the times in milliseconds.
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
        neighbours.join(PEER_IP, 0);
        let reply = arp_reply();
        neighbours.learn(&reply, 0);
        let asked = ask(&mut neighbours, SECOND + 400_000_000);
        let all = Mac::BROADCAST;
        assert_eq!(asked, [(1000, PEER), (1200, PEER), (1400, all)]);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Known(PEER));
        ask(&mut neighbours, SECOND + 600_000_000);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Silent(PEER));
        ask(&mut neighbours, 30 * SECOND);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Silent(PEER));
        let asked = ask(&mut neighbours, 34 * SECOND);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Unknown);
        assert!(asked.iter().all(|(_, to)| *to == all), "{asked:?}");
        neighbours.learn(&reply, 34 * SECOND);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Known(PEER));
    }

    #[test]
    fn neighbour_asks_for_an_address_then_only_ours_is_answered() {
        let mut neighbours = neighbours();
        let ask = |target| NeighbourReport::Arp(ArpMessage::request(PEER, PEERS, target));
        let reply = neighbours.learn(&ask(MINE), 0).unwrap();
        let reply = ArpMessage::parse(&reply[14..]).unwrap();
        assert_eq!((reply.sender_mac, reply.sender), (ME, MINE));
        assert_eq!(neighbours.learn(&ask(PEERS), 0), None);
        assert!(neighbours.list.is_empty());
    }

    #[test]
    fn kernel_has_the_address_then_it_is_asked_and_not_the_network() {
        let (mut neighbours, mut wire) = (neighbours(), Wire::default());
        let share = Arc::new(HostShare::default());
        neighbours.host = Some(HostLine::new(Arc::clone(&share), 3));
        share.set_has(MINE.into(), true);
        neighbours.join(PEER_IP, 0);
        assert_eq!(neighbours.turn(0, &mut wire), 0);
        assert_eq!(
            (share.question(), share.question()),
            (Some((3, PEER_IP)), None)
        );
        neighbours.heard(PEER_IP, PEER, 1);
        assert_eq!(neighbours.hop(PEER_IP), NextHop::Known(PEER));
        // IPv6 is another matter, and so is a kernel that gave the address up.
        neighbours.join(PEERS6.into(), 1);
        assert_eq!(neighbours.turn(1, &mut wire), 1);
        share.set_has(MINE.into(), false);
        assert_eq!(neighbours.turn(1 + REFRESH_NS, &mut wire), 2);
        assert_eq!(share.question(), None);
    }

    #[test]
    fn group_wanted_then_mapped_without_asking() {
        let mut neighbours = neighbours();
        for group in ["239.1.2.3", "ff3e::8000:1"].map(|it| it.parse().unwrap()) {
            neighbours.join(group, 0);
            assert_eq!(neighbours.due_ns(), u64::MAX);
            let mac = Mac::of_multicast(group);
            assert_eq!(neighbours.hop(group), NextHop::Known(mac));
        }
    }

    fn advertisement(mac: Option<Mac>, overrides: bool) -> NeighbourReport {
        NeighbourReport::Ndp(NeighbourMessage {
            kind: Kind::Advertisement {
                solicited: true,
                overrides,
            },
            source: PEERS6,
            destination: MINE6,
            target: PEERS6,
            mac,
        })
    }

    #[test]
    fn neighbour_of_ipv6_is_solicited_and_its_advertisement_known() {
        let (mut neighbours, mut wire) = (neighbours(), Wire::default());
        let peer = IpAddr::V6(PEERS6);
        neighbours.join(peer, 0);
        assert_eq!(neighbours.turn(0, &mut wire), 1);
        let asked = NeighbourMessage::parse(&wire.packets[0][14..]).unwrap();
        assert_eq!(asked, NeighbourMessage::solicitation(ME, MINE6, PEERS6));
        neighbours.learn(&advertisement(None, true), 1);
        assert_eq!(neighbours.hop(peer), NextHop::Unknown, "it told no address");
        neighbours.learn(&advertisement(Some(PEER), false), 2);
        assert_eq!(neighbours.hop(peer), NextHop::Known(PEER));
        // It is asked at its own address, and may answer without telling it again.
        neighbours.turn(2 + REFRESH_NS, &mut wire);
        let (to, probe) = wire.packets[1].split_at(14);
        assert_eq!(to[..6], PEER.0);
        assert_eq!(NeighbourMessage::parse(probe).unwrap().destination, PEERS6);
        neighbours.learn(&advertisement(None, false), 3 + REFRESH_NS);
        assert_eq!(neighbours.due_ns(), 3 + 2 * REFRESH_NS);
        let other = Mac([2, 0, 0, 0, 0, 9]);
        neighbours.learn(&advertisement(Some(other), false), 0);
        assert_eq!(neighbours.hop(peer), NextHop::Known(PEER));
        neighbours.learn(&advertisement(Some(other), true), 0);
        assert_eq!(neighbours.hop(peer), NextHop::Known(other));
    }

    #[test]
    fn neighbour_solicits_an_address_then_only_ours_is_answered() {
        let mut neighbours = neighbours();
        let solicitation = NeighbourMessage::solicitation(PEER, PEERS6, MINE6);
        let answer = neighbours
            .learn(&NeighbourReport::Ndp(solicitation), 0)
            .unwrap();
        let answer = NeighbourMessage::parse(&answer[14..]).unwrap();
        let expected = (MINE6, Some(ME), PEERS6);
        assert_eq!((answer.target, answer.mac, answer.destination), expected);
        let other = NeighbourMessage {
            target: PEERS6,
            ..solicitation
        };
        assert_eq!(neighbours.learn(&NeighbourReport::Ndp(other), 0), None);
        // Another host that wants the address for itself.
        let detection = NeighbourMessage {
            source: Ipv6Addr::UNSPECIFIED,
            mac: None,
            ..solicitation
        };
        let answer = neighbours
            .learn(&NeighbourReport::Ndp(detection), 0)
            .unwrap();
        assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 1]);
    }
}
