//! The transport parameters of one leg: what they may be, and how they are those of a session's flow.
//!
//! A session's port is chosen at its creation, so that the interface has one address of each family. `auto` is that address,
//! UDP port 5004, and of a sender the destination that it has.

mod interface;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use onair_api::{FlowDocument, LegDocument};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use self::interface::{Interface, interfaces};
use super::auto::Auto;
use super::refusal::Refusal;
use super::side::Side;

/// The UDP port that `auto` means (IS-05 §transport parameters).
const AUTO_PORT: u16 = 5004;
/// Where none is known: a port without an address.
const UNSET: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Transport parameters of a leg.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leg {
    destination_port: Auto<u16>,
    /// Whether its packets are wanted.
    pub(super) rtp_enabled: bool,
    #[serde(flatten)]
    own: Own,
}

/// Those of one side only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Own {
    Sender(SenderLeg),
    Receiver(ReceiverLeg),
}

/// `sender_transport_params_rtp` of IS-05 v1.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SenderLeg {
    source_ip: Auto<IpAddr>,
    destination_ip: Auto<IpAddr>,
    source_port: Auto<u16>,
}

/// `receiver_transport_params_rtp` of IS-05 v1.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ReceiverLeg {
    source_ip: Option<IpAddr>,
    multicast_ip: Option<IpAddr>,
    interface_ip: Auto<IpAddr>,
}

/// The changes of a leg. Those of the other side are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LegPatch {
    #[serde(default, deserialize_with = "onair_essence::whole::present")]
    source_ip: Option<Option<Auto<IpAddr>>>,
    #[serde(default)]
    destination_ip: Option<Auto<IpAddr>>,
    #[serde(default)]
    source_port: Option<Auto<u16>>,
    #[serde(default, deserialize_with = "onair_essence::whole::present")]
    multicast_ip: Option<Option<IpAddr>>,
    #[serde(default)]
    interface_ip: Option<Auto<IpAddr>>,
    #[serde(default)]
    destination_port: Option<Auto<u16>>,
    #[serde(default)]
    rtp_enabled: Option<bool>,
    #[serde(default)]
    rtcp_enabled: Option<bool>,
    #[serde(default)]
    fec_enabled: Option<bool>,
}

/// Where the packets of a leg go and come from.
struct Addresses<'a> {
    destination: &'a str,
    source: Option<&'a str>,
}

/// The only source of a document, or the first of several.
pub(super) fn first<'a>(
    one: &'a Option<String>,
    several: &'a Option<Vec<String>>,
) -> Option<&'a str> {
    let several = several.iter().flatten();
    one.iter().chain(several).next().map(String::as_str)
}

fn addresses(flow: &FlowDocument) -> Vec<Addresses<'_>> {
    let second = flow.second_leg.iter().map(|it: &LegDocument| Addresses {
        destination: &it.destination,
        source: first(&it.source, &it.sources),
    });
    let own = Addresses {
        destination: &flow.destination,
        source: first(&flow.source, &flow.sources),
    };
    std::iter::once(own).chain(second).collect()
}

/// The parameters that a flow has, none of them `auto`.
pub(super) fn of_flow(side: Side, flow: &FlowDocument, interfaces: &[Interface]) -> Vec<Leg> {
    let legs = addresses(flow).into_iter().zip(interfaces);
    legs.map(|(leg, interface)| Leg::of(side, &leg, interface))
        .collect()
}

impl Leg {
    fn of(side: Side, leg: &Addresses<'_>, interface: &Interface) -> Self {
        let destination: SocketAddr = leg
            .destination
            .parse()
            .unwrap_or_else(|_| (UNSET, AUTO_PORT).into());
        let (to, port) = (destination.ip(), destination.port());
        let source = leg.source.map(|it| {
            let socket = it
                .parse::<SocketAddr>()
                .map(|it| (Some(it.ip()), Some(it.port())));
            socket.unwrap_or_else(|_| (it.parse().ok(), None))
        });
        let (source_ip, source_port) = source.unwrap_or_default();
        let own = interface.for_family(to);
        let own = match side {
            Side::Sender => Own::Sender(SenderLeg {
                source_ip: Auto::Is(source_ip.or(own).unwrap_or(UNSET)),
                destination_ip: Auto::Is(to),
                source_port: Auto::Is(source_port.unwrap_or(port)),
            }),
            Side::Receiver => Own::Receiver(ReceiverLeg {
                source_ip,
                multicast_ip: to.is_multicast().then_some(to),
                interface_ip: Auto::Is(own.unwrap_or(to)),
            }),
        };
        Self {
            destination_port: Auto::Is(port),
            rtp_enabled: true,
            own,
        }
    }

    /// Without `auto`: what that is now.
    pub(super) fn resolved(mut self, now: &Self, interface: &Interface) -> Self {
        let port = self.destination_port.unwrap_or(AUTO_PORT);
        self.destination_port = Auto::Is(port);
        match (&mut self.own, &now.own) {
            (Own::Sender(leg), Own::Sender(now)) => {
                let own = |it: Auto<_>, now: Auto<_>| if it == Auto::Auto { now } else { it };
                leg.source_ip = own(leg.source_ip, now.source_ip);
                leg.destination_ip = own(leg.destination_ip, now.destination_ip);
                leg.source_port = Auto::Is(leg.source_port.unwrap_or(port));
            }
            (Own::Receiver(leg), _) => {
                let family = leg.multicast_ip.or(leg.source_ip);
                let own = family.and_then(|it| interface.for_family(it));
                let own = own.or(interface.first()).unwrap_or(UNSET);
                leg.interface_ip = Auto::Is(leg.interface_ip.unwrap_or(own));
            }
            (Own::Sender(_), Own::Receiver(_)) => unreachable!("a session keeps its side"),
        }
        self
    }

    /// Changes what `patch` says. `at` names the leg.
    pub(super) fn change(
        &mut self,
        patch: LegPatch,
        at: usize,
        interface: &Interface,
    ) -> Result<(), Refusal> {
        let field = |name: &str| format!("transport_params[{at}].{name}");
        let never = |name: &str, is_given: bool, problem: &str| match is_given {
            true => Err(Refusal::body(field(name), problem)),
            false => Ok(()),
        };
        let (zero, problem) = (Some(Auto::Is(0)), "is 0: give 1 to 65535, or auto");
        never("source_port", patch.source_port == zero, problem)?;
        never("destination_port", patch.destination_port == zero, problem)?;
        let (on, problem) = (Some(true), "is true: only false is possible");
        never("rtcp_enabled", patch.rtcp_enabled == on, problem)?;
        never("fec_enabled", patch.fec_enabled == on, problem)?;
        let (source, group) = (patch.source_ip, patch.multicast_ip);
        match &mut self.own {
            Own::Sender(leg) => {
                let other = "is none of a sender";
                never("multicast_ip", group.is_some(), other)?;
                never("interface_ip", patch.interface_ip.is_some(), other)?;
                never("source_ip", source == Some(None), "is null")?;
                leg.source_ip = source.flatten().unwrap_or(leg.source_ip);
                interface.check(&field("source_ip"), leg.source_ip)?;
                leg.destination_ip = patch.destination_ip.unwrap_or(leg.destination_ip);
                if let Auto::Is(to) = leg.destination_ip {
                    interface.reach(&field("destination_ip"), to)?;
                }
                leg.source_port = patch.source_port.unwrap_or(leg.source_port);
            }
            Own::Receiver(leg) => {
                let other = "is none of a receiver";
                never("destination_ip", patch.destination_ip.is_some(), other)?;
                never("source_port", patch.source_port.is_some(), other)?;
                let (any, problem) = (Some(Some(Auto::Auto)), "is auto: give null for any");
                never("source_ip", source == any, problem)?;
                let is_other = group.flatten().is_some_and(|it| !it.is_multicast());
                let problem = "is no multicast group: give null for unicast";
                never("multicast_ip", is_other, problem)?;
                let source = source.map(|it| it.and_then(Auto::given));
                leg.source_ip = source.unwrap_or(leg.source_ip);
                leg.multicast_ip = group.unwrap_or(leg.multicast_ip);
                let given = [
                    ("source_ip", leg.source_ip),
                    ("multicast_ip", leg.multicast_ip),
                ];
                for (name, address) in given {
                    address.map_or(Ok(()), |it| interface.reach(&field(name), it))?;
                }
                leg.interface_ip = patch.interface_ip.unwrap_or(leg.interface_ip);
                interface.check(&field("interface_ip"), leg.interface_ip)?;
            }
        }
        self.destination_port = patch.destination_port.unwrap_or(self.destination_port);
        self.rtp_enabled = patch.rtp_enabled.unwrap_or(self.rtp_enabled);
        Ok(())
    }

    /// Destination and source for the daemon; `now` is the leg as it is, which may be the one of two.
    pub(super) fn to_flow(
        &self,
        (now, is_one_of_two): (&Self, bool),
        interface: &Interface,
    ) -> (String, Option<String>) {
        let port = self.destination_port.unwrap_or(AUTO_PORT);
        let (to, from) = match (&self.own, &now.own) {
            (Own::Sender(leg), Own::Sender(now)) => {
                let to = leg
                    .destination_ip
                    .unwrap_or(now.destination_ip.unwrap_or(UNSET));
                let own = interface.for_family(to).unwrap_or(UNSET);
                let from = leg.source_port.unwrap_or(port);
                let from = SocketAddr::new(leg.source_ip.unwrap_or(own), from);
                (to, (from.port() != port).then(|| from.to_string()))
            }
            // A leg that is off, of a session that has two: nothing is sent to its port's own address.
            (Own::Receiver(_), _) if !self.rtp_enabled && is_one_of_two => {
                let own = interface.first().unwrap_or(UNSET);
                return (SocketAddr::new(own, AUTO_PORT).to_string(), None);
            }
            (Own::Receiver(leg), _) => {
                let family = leg.source_ip.or(leg.multicast_ip).unwrap_or(UNSET);
                let own = interface.for_family(family).unwrap_or(family);
                let to = leg.multicast_ip.unwrap_or(leg.interface_ip.unwrap_or(own));
                (to, leg.source_ip.map(|it| it.to_string()))
            }
            (Own::Sender(_), Own::Receiver(_)) => unreachable!("a session keeps its side"),
        };
        (SocketAddr::new(to, port).to_string(), from)
    }

    /// The leg by the addresses of a description.
    pub(super) fn describe(
        &mut self,
        (destination, source): (Option<&str>, Option<Option<&str>>),
        interface: &Interface,
    ) -> Result<(), Refusal> {
        let Own::Receiver(leg) = &mut self.own else {
            return Ok(());
        };
        if let Some(to) = destination.and_then(|it| it.parse::<SocketAddr>().ok()) {
            if !to.ip().is_multicast() {
                interface.check("transport_file", Auto::Is(to.ip()))?;
            }
            leg.multicast_ip = to.ip().is_multicast().then_some(to.ip());
            self.destination_port = Auto::Is(to.port());
            leg.interface_ip = Auto::Auto;
        }
        if let Some(source) = source {
            leg.source_ip = source.and_then(|it| {
                let socket = it.parse::<SocketAddr>().map(|it| it.ip());
                socket.or_else(|_| it.parse()).ok()
            });
        }
        self.rtp_enabled = true;
        Ok(())
    }
}

/// Constraints of the parameters of each leg.
pub(super) fn constraints(side: Side, interfaces: &[Interface]) -> Value {
    let enabled = match side {
        // It sends on both, or not at all.
        Side::Sender if interfaces.len() > 1 => json!({"enum": [true]}),
        _ => json!({}),
    };
    let port = json!({"minimum": 1, "maximum": 65535});
    let legs = interfaces.iter().map(|interface| {
        let own = json!({"enum": interface.all()});
        match side {
            Side::Sender => json!({
                "source_ip": own, "destination_ip": {}, "source_port": port,
                "destination_port": port, "rtp_enabled": enabled,
            }),
            Side::Receiver => json!({
                "source_ip": {}, "multicast_ip": {}, "interface_ip": own,
                "destination_port": port, "rtp_enabled": enabled,
            }),
        }
    });
    legs.collect()
}
