//! The port that a leg is on.

use std::net::IpAddr;

use onair_api::SessionView;

use crate::connection::auto::Auto;
use crate::connection::refusal::Refusal;
use onair_control::Facts;

/// The addresses of the port that a leg is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::connection) struct Interface {
    addresses: Vec<IpAddr>,
}

impl Interface {
    fn of(facts: &Facts, port: &str) -> Self {
        let mut ports = facts.health.dataplane.ports.iter();
        let port = ports.find(|it| it.name == port);
        let texts = port
            .into_iter()
            .flat_map(|it| [Some(&it.address), it.ipv6.as_ref()]);
        let addresses = texts.flatten().filter_map(|text| {
            let address = text.split_once('/').map_or(text.as_str(), |it| it.0);
            address.parse().ok()
        });
        let addresses = addresses.collect();
        Self { addresses }
    }

    /// Its first address.
    pub(super) fn first(&self) -> Option<IpAddr> {
        self.addresses.first().copied()
    }

    /// All of them.
    pub(super) fn all(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The address for packets of this family.
    pub(super) fn for_family(&self, of: IpAddr) -> Option<IpAddr> {
        let is_alike = |it: &&IpAddr| it.is_ipv4() == of.is_ipv4();
        self.addresses.iter().find(is_alike).copied()
    }

    /// Refuses an address to which or from which no packets can go, or of a family that the port does not have.
    pub(super) fn reach(&self, field: &str, given: IpAddr) -> Result<(), Refusal> {
        let is_broadcast = given == IpAddr::from([255; 4]);
        let problem = if given.is_unspecified() || given.is_loopback() || is_broadcast {
            format!("is {given}: no packets of a stream have that address")
        } else if self.for_family(given).is_none() {
            format!("is {given}, and the port has no address of its family")
        } else {
            return Ok(());
        };
        Err(Refusal::body(field, problem))
    }

    /// Refuses an address that it does not have.
    pub(super) fn check(&self, field: &str, given: Auto<IpAddr>) -> Result<(), Refusal> {
        match given {
            Auto::Is(it) if !self.addresses.contains(&it) => {
                let shown: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
                let problem = format!("{it} is not an address of the port: {}", shown.join(", "));
                Err(Refusal::body(field, problem))
            }
            _ => Ok(()),
        }
    }
}

/// The interfaces of a session's legs.
pub(in crate::connection) fn interfaces(facts: &Facts, view: &SessionView) -> Vec<Interface> {
    let second = view.flow.second_leg.iter().map(|it| &it.port);
    let ports = std::iter::once(&view.port).chain(second);
    ports.map(|it| Interface::of(facts, it)).collect()
}
